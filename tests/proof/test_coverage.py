"""Nothing that can be written is without its self-counting run."""

from __future__ import annotations

import re

from nncost.frontends.spec.kinds import layer_table
from nncost.ir.library.activations import ACTIVATIONS as ACTIVATION_LAYERS
from tests.proof.test_selfcount import ACTIVATIONS, LAYER_SPECS


def test_every_layer_of_the_spec_language_is_proven() -> None:
    written = set(re.findall(r"[a-z_0-9]+", " ".join(LAYER_SPECS)))
    assert set(layer_table()) - written - set(ACTIVATIONS) == set()


def test_every_activation_is_proven() -> None:
    assert set(ACTIVATION_LAYERS) == set(ACTIVATIONS)
