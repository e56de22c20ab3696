"""What the widths form of a spec, such as ``784-16-10``, can be asked for."""

from __future__ import annotations

from nncost.ir.library.activations import ACTIVATIONS

ACTIVATION_NAMES = (*ACTIVATIONS, "softmax", "log_softmax", "none")
BIASES = ("all", "hidden", "none")
"""Which dense layers have a bias."""
