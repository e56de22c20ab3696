"""The layers of the spec language, one decorated function each; importing this package fills the table ``LAYERS``."""

from collections.abc import Mapping

from nncost.frontends.spec.kinds import basic as basic
from nncost.frontends.spec.kinds import norm as norm
from nncost.frontends.spec.kinds import pool as pool
from nncost.frontends.spec.kinds import sequence as sequence
from nncost.frontends.spec.kinds import spatial as spatial
from nncost.frontends.spec.layers import LAYERS, LayerKind


def layer_table() -> Mapping[str, LayerKind]:
    """All layers by name, for help texts and documents."""
    return LAYERS
