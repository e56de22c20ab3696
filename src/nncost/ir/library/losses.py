"""Losses of each element or row, before they are averaged or summed, and their slopes in closed form.

``x`` are predictions, ``t`` targets of the same shape unless said otherwise.
"""

from __future__ import annotations

from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor


def squared_difference(b: Builder, x: Tensor, t: Tensor) -> Tensor:
    """(x − t)²: 1 add, 1 mul."""
    return b.map("square", b.map("sub", x, t))


def binary_cross_entropy(b: Builder, x: Tensor, t: Tensor) -> Tensor:
    """−(t·log x + (1−t)·log(1−x)) of probabilities: 3 add, 2 mul, 2 log."""
    first = b.map("mul", t, b.map("log", x))
    second = b.map("mul", b.map("sub", 1.0, t), b.map("log", b.map("sub", 1.0, x)))
    return b.map("neg", b.map("add", first, second))


def binary_cross_entropy_slope(b: Builder, x: Tensor, t: Tensor) -> Tensor:
    """(x − t)/(x·(1−x)). Miniature: x = ½, t = 1 gives −½/¼ = −2."""
    return b.map("div", b.map("sub", x, t), b.map("mul", x, b.map("sub", 1.0, x)))


def smooth_l1(b: Builder, x: Tensor, t: Tensor, beta: float) -> Tensor:
    """½d²/β if |d| < β, else |d| − β/2, with d = x − t: 2 cmp, and both sides are computed."""
    difference = b.map("sub", x, t)
    size = b.map("abs", difference)
    if beta == 0:
        return size
    near = b.map("mul", b.map("square", difference), 0.5 / beta)
    return b.map("select", b.map("greater", beta, size), near, b.map("sub", size, beta / 2))


def smooth_l1_slope(b: Builder, x: Tensor, t: Tensor, beta: float) -> Tensor:
    """d/β clipped to ±1, the sign of d if β = 0."""
    difference = b.map("sub", x, t)
    if beta == 0:
        return b.map("sign", difference)
    return b.map("clip", b.map("mul", difference, 1 / beta), -1.0, 1.0)


def huber(b: Builder, x: Tensor, t: Tensor, delta: float) -> Tensor:
    """½d² if |d| < δ, else δ·(|d| − δ/2): 2 cmp, and both sides are computed."""
    difference = b.map("sub", x, t)
    size = b.map("abs", difference)
    near = b.map("mul", b.map("square", difference), 0.5)
    far = b.map("mul", b.map("sub", size, delta / 2), delta)
    return b.map("select", b.map("greater", delta, size), near, far)


def huber_slope(b: Builder, x: Tensor, t: Tensor, delta: float) -> Tensor:
    """d clipped to ±δ."""
    return b.map("clip", b.map("sub", x, t), -delta, delta)


def soft_margin(b: Builder, x: Tensor, t: Tensor) -> Tensor:
    """log(1 + e^(−t·x)) with targets of ±1: 1 mul, 1 exp, 1 add, 1 log."""
    return b.map("log", b.map("add", b.map("exp", b.map("neg", b.map("mul", x, t))), 1.0))


def soft_margin_slope(b: Builder, x: Tensor, t: Tensor) -> Tensor:
    """−t·z/(1 + z) with z = e^(−t·x)."""
    power = b.map("exp", b.map("neg", b.map("mul", x, t)))
    return b.map("neg", b.map("mul", t, b.map("div", power, b.map("add", power, 1.0))))


def multi_margin(
    b: Builder, x: Tensor, target: Tensor, weight: Tensor | None = None, *, power: int = 1, margin: float = 1.0
) -> Tensor:
    """``x`` (B, C), ``target`` (B,) of classes, ``weight`` (C,): (B,), Σᵢ max(0, m − x_t + xᵢ)^p / C over the other classes.

    The class itself gives m^p, which is taken off.
    """
    own = b.emit(ops.Gather(1, along=True), x, b.unsqueeze(target, 1))
    excess = b.map("relu", b.map("add", x, b.map("sub", margin, own)))
    excess = b.map("square", excess) if power == 2 else excess
    each = b.map("sub", b.reduce("sum", excess, [1]), margin**power)
    if weight is not None:
        each = b.map("mul", each, b.reshape(b.emit(ops.Gather(0), weight, target), each.shape))
    return b.map("div", each, b.size_constant([x.shape[1]]))


def chosen_log_probability(b: Builder, x: Tensor, target: Tensor, axis: int) -> Tensor:
    """−x at the class that ``target`` names along an axis: no arithmetic."""
    index = b.unsqueeze(target, axis) if x.rank > 1 else b.reshape(target, (1,))
    return b.map("neg", b.reshape(b.emit(ops.Gather(axis, along=True), x, index), target.shape))


def negative_log_likelihood(
    b: Builder, x: Tensor, target: Tensor, weight: Tensor | None = None,
    *, ignored: int | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """−x of each target's class, ``x`` (N, C, …) of logarithms and ``target`` (N, …): ``none``, their ``sum`` or ``mean``.

    ``weight`` (C,) takes 1 mul for each target, and the mean divides by the sum of the targets' weights: n−1 add. A
    class that is ``ignored`` takes 1 cmp for each target, with weights or without, and does not count in the mean.
    """
    kept = None
    if ignored is not None:
        kept = b.map("not_equal", target, b.full((), ignored, target.dtype))
        target = b.map("select", kept, target, b.full((), 0, target.dtype))
    each = chosen_log_probability(b, x, target, 1)
    shares = _shares(b, x.dtype, target, weight, kept)
    if weight is not None and shares is not None:
        each = b.map("mul", each, shares)
    elif kept is not None:
        each = b.map("select", kept, each, 0.0)
    axes = range(each.rank)
    if reduction == "none":
        return each
    if reduction == "sum" or shares is None:
        return b.reduce("sum", each, axes) if reduction == "sum" else b.mean(each, axes)
    return b.map("div", b.reduce("sum", each, axes), b.reduce("sum", shares, axes))


def _shares(b: Builder, dtype: str, target: Tensor, weight: Tensor | None, kept: Tensor | None) -> Tensor | None:
    """What each target counts for; None if all count for one."""
    if weight is None:
        return None if kept is None else b.emit(ops.Cast(dtype), kept)
    own = b.emit(ops.Gather(0), weight, target)
    return own if kept is None else b.map("select", kept, own, 0.0)
