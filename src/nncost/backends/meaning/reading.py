"""The readers of regions by name: each gives a layer where the region is exactly that, None elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nncost.backends.meaning import elementwise, norms, pools, products, sequences
from nncost.backends.meaning.constants import Constants
from nncost.backends.meaning.layers import Meaning
from nncost.ir.graph import Region
from nncost.ir.library.activations import ACTIVATIONS

Reader = Callable[[Region, Constants], "Meaning | None"]

_READERS: Mapping[str, Reader] = {
    "dense": products.dense,
    "conv": products.convolution,
    "conv_transpose": products.transposed_convolution,
    "maxpool": pools.max_pool,
    "avgpool": pools.average_pool,
    "global_avgpool": pools.global_pool,
    "global_maxpool": pools.global_pool,
    "adaptive_avgpool": pools.adaptive_pool,
    "adaptive_maxpool": pools.adaptive_pool,
    "adaptive_avg_pool": pools.adaptive_pool,
    "adaptive_max_pool": pools.adaptive_pool,
    "softmax": elementwise.softmax,
    "log_softmax": elementwise.softmax,
    **dict.fromkeys((*ACTIVATIONS, "celu"), elementwise.activation),
    "batchnorm": norms.batch_norm,
    "layernorm": norms.layer_norm,
    "rmsnorm": norms.layer_norm,
    "groupnorm": norms.group_norm,
    "instancenorm": norms.group_norm,
    "lrn": norms.local_response,
    "embedding": sequences.embedding,
    "dropout": sequences.dropout,
    "attention": sequences.attention,
    **dict.fromkeys(("rnn", "lstm", "gru"), sequences.recurrent),
}


def meaning_of(region: Region, constants: Constants) -> Meaning | None:
    """The layer that a region is, or None for one that only its core operations describe."""
    reader = _READERS.get(region.layer.name)
    return None if reader is None else reader(region, constants)
