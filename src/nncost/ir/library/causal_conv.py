"""A causal convolution of each channel alone, which hands its last inputs on to the next call."""

from __future__ import annotations

from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library.conv import conv


def causal_conv(
    b: Builder, x: Tensor, weight: Tensor, bias: Tensor | None, past: Tensor | None
) -> tuple[Tensor, Tensor]:
    """``x`` (B, C, L), ``weight`` (C, 1, K), ``past`` (B, C, K−1), zeros without: (B, C, L), and the last K−1 inputs.

    As any convolution, K products for each output; those with zeros in front are products with padding.
    """
    channels, _, width = weight.shape
    length = x.shape[2]
    whole = x if past is None else b.concat([past, x], 2)
    front = width - 1 if past is None else 0
    y = conv(b, whole, weight, bias, stride=[1], padding=[(front, 0)], dilation=[1], groups=channels)
    return y, b.pad(whole, 2, front - length, 0)
