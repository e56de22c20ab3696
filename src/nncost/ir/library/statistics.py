"""Means, variances and norms of weights: what normalisation is made of, as single operations."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.dims import is_symbolic, product
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library.norm import channel_moments, inverse_deviation, per_channel
from nncost.ir.library.reductions import vector_norm


def variance(
    b: Builder, x: Tensor, axes: Sequence[int], *, correction: float = 1, keep: bool = False
) -> tuple[Tensor, Tensor]:
    """Σ(x − mean)²/(n − correction) over ``axes`` (Bessel's correction is 1), and the mean: n add, n mul, 2·(n−1) add, 2 div."""
    mean = b.mean(x, axes, keep=True)
    total = b.reduce("sum", b.map("square", b.map("sub", x, mean)), axes, keep=keep)
    count = product(x.shape[axis] for axis in axes)
    divisor = b.size_constant([count]) if is_symbolic(count) else float(count - correction)
    return b.map("div", total, divisor), b.reshape(mean, total.shape)


def channel_statistics(b: Builder, x: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """The mean and 1/√(variance + ε) of each channel of ``(B, C, *spatial)``."""
    mean, _, spread = channel_moments(b, x)
    return mean, inverse_deviation(b, spread, epsilon)


def normalised_by(
    b: Builder, x: Tensor, scale: Tensor | None, shift: Tensor | None, mean: Tensor, inverse_deviation: Tensor
) -> Tensor:
    """(x − mean)·(1/σ)·γ + β with vectors of one number per channel."""
    y = b.map("mul", b.map("sub", x, per_channel(b, mean, x)), per_channel(b, inverse_deviation, x))
    y = y if scale is None else b.map("mul", y, per_channel(b, scale, x))
    return y if shift is None else b.map("add", y, per_channel(b, shift, x))


def weight_norm(b: Builder, v: Tensor, g: Tensor, axis: int) -> Tensor:
    """v·(g/‖v‖), the norm over all axes but one (Salimans and Kingma 2016)."""
    axes = [other for other in range(v.rank) if other != axis % v.rank]
    return b.map("mul", v, b.broadcast(b.map("div", g, vector_norm(b, v, 2, axes, keep=True)), v.shape))
