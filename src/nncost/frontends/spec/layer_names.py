"""What layers and their arguments are called elsewhere: in PyTorch, Keras and ONNX, and in a hurry."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from nncost.frontends.choices import ACTIVATION_ALIASES
from nncost.names import meant, nearest
from nncost.records import record

ALIASES: Mapping[str, str] = {
    **{alias: name for alias, name in ACTIVATION_ALIASES.items() if name != "none"},
    "linear": "dense", "fc": "dense", "fully_connected": "dense", "affine": "dense", "gemm": "dense",
    "convolution": "conv", "deconv": "conv_transpose", "deconvolution": "conv_transpose",
    "transposed_conv": "conv_transpose", "conv_transposed": "conv_transpose",
    "drop": "dropout", "bn": "batchnorm", "batch_normalization": "batchnorm", "ln": "layernorm",
    "layer_normalization": "layernorm", "rms": "rmsnorm", "rms_normalization": "rmsnorm", "gn": "groupnorm",
    "group_normalization": "groupnorm", "instance_normalization": "instancenorm", "local_response_norm": "lrn",
    "local_response_normalization": "lrn", "max_pooling": "maxpool", "average_pool": "avgpool", "average_pooling": "avgpool",
    "mean_pool": "avgpool", "gap": "global_avgpool", "global_average_pool": "global_avgpool",
    "global_average_pooling": "global_avgpool", "global_max_pooling": "global_maxpool",
    "adaptive_average_pool": "adaptive_avgpool", "adaptive_average_pooling": "adaptive_avgpool",
    "adaptive_max_pooling": "adaptive_maxpool", "embed": "embedding", "embeddings": "embedding", "self_attention": "attention",
    "mha": "attention", "multihead_attention": "attention", "simple_rnn": "rnn", "elman": "rnn",
}  # fmt: skip
"""Other names of layers, without the number of axes that some have: ``Conv2d``."""
_AXES = re.compile(r"_?([123])d", re.IGNORECASE)
_OF_ANY_AXES = ("batchnorm", "instancenorm", "conv", "conv_transpose", "maxpool", "avgpool", "global_avgpool", "global_maxpool",
                "adaptive_avgpool", "adaptive_maxpool")  # fmt: skip
ARGUMENTS: Mapping[str, Collection[str]] = {
    "kernel": ("kernel_size", "k", "ks", "filter_size", "window", "pool_size"), "stride": ("strides", "s"),
    "pad": ("padding", "pads"), "out": ("out_channels", "filters", "channels", "features", "output_size"),
    "n": ("out_features", "units", "out", "features", "width", "output_dim"), "h": ("hidden_size", "hidden", "units"),
    "dilation": ("dilation_rate", "dilations", "d"), "output_pad": ("output_padding",), "bias": ("use_bias", "biases", "has_bias"),
    "groups": ("group", "num_groups"), "g": ("groups", "num_groups"), "p": ("rate", "prob", "probability", "ratio"),
    "heads": ("num_heads", "n_heads", "nhead", "head"), "kv_heads": ("num_kv_heads", "num_key_value_heads", "n_kv_heads"),
    "layers": ("num_layers", "n_layers"), "causal": ("is_causal",), "v": ("num_embeddings", "vocab", "vocab_size", "input_dim"),
    "d": ("embedding_dim", "dim", "output_dim", "d_model", "width"), "size": ("n",), "last": ("last_step",),
    "bidirectional": ("bi",), "affine": ("scale",),
}  # fmt: skip
"""Other names of arguments, by the name of the argument of a layer."""


@record
class LayerName:
    """A layer of the table, and the spatial axes that its name tells (``Conv2d``: 2); None if it tells none."""

    name: str
    axes: int | None = None


def layer_named(text: str, accepted: Collection[str]) -> LayerName | None:
    """The layer that a word means; None if there is none of that name."""
    if text in accepted:
        return LayerName(text)
    found, axes = meant(text, accepted, ALIASES), _AXES.search(text)
    if found is not None or axes is None:
        return None if found is None else LayerName(found)
    found = meant(_AXES.sub("", text, count=1), accepted, ALIASES)
    return LayerName(found, int(axes[1])) if found in _OF_ANY_AXES else None


def layer_near(text: str, accepted: Collection[str]) -> str | None:
    """The layer that a word comes close to."""
    return nearest(_AXES.sub("", text, count=1), accepted, ALIASES)


def argument_named(text: str, accepted: Iterable[str]) -> str | None:
    """The argument that a word means, of those that a layer has."""
    names = tuple(accepted)
    return meant(
        text, names, {alias: name for name in names for alias in ARGUMENTS.get(name, ()) if alias not in names}
    )
