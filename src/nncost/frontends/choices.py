"""What the widths form of a spec, such as ``784-16-10``, can be asked for."""

from __future__ import annotations

from nncost.ir.library.activations import ACTIVATIONS

ACTIVATION_NAMES = (*ACTIVATIONS, "softmax", "log_softmax", "none")
ACTIVATION_ALIASES = {
    "swish": "silu", "linear": "none", "identity": "none", "no": "none", "logistic": "sigmoid", "hswish": "hardswish",
    "hsigmoid": "hardsigmoid", "lrelu": "leaky_relu", "leaky": "leaky_relu", "gelu_new": "gelu_tanh", "rectifier": "relu",
}  # fmt: skip
"""What else activations are called."""
BIASES = ("all", "hidden", "none")
"""Which dense layers have a bias."""
