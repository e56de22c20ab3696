"""What the widths form of a spec, such as ``784-16-10``, can be asked for."""

from __future__ import annotations

from nncost.ir.library.activations import ACTIVATIONS

ACTIVATION_NAMES = (*ACTIVATIONS, "softmax", "log_softmax", "none")
ACTIVATION_ALIASES = {
    "swish": "silu", "linear": "none", "identity": "none", "logistic": "sigmoid", "hswish": "hardswish", "lrelu": "leaky_relu",
}  # fmt: skip
"""What else activations are called."""
BIASES = ("all", "hidden", "none")
"""Which dense layers have a bias."""
