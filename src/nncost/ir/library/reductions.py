"""Reductions over axes that take more than one operation: norms, sums of powers, logarithms of sums of exponentials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from nncost.ir import ops
from nncost.ir.builder import Builder, kept_shape
from nncost.ir.graph import Region, Tensor
from nncost.ir.layers import Operation
from nncost.ir.library.elementwise import power


def logsumexp(b: Builder, x: Tensor, axes: Sequence[int], *, keep: bool = False) -> Tensor:
    """log Σ e^(x − m) + m with the largest element m: for n elements n−1 cmp, n add, n exp, n−1 add, 1 log, 1 add.

    ``keep`` leaves the axes at size one.
    """
    kept = kept_shape(x.shape, [axis % x.rank for axis in axes])

    def gradient(
        b: Builder, region: Region, g: Sequence[Tensor | None], wanted: frozenset[Tensor]
    ) -> Mapping[Tensor, Tensor]:
        """dx = g·e^(x − y). Miniature: x = (0, 0), g = 2: y = log 2, e^(x − y) = (½, ½), dx = (1, 1)."""
        (x,), (y,), (dy,) = region.inputs, region.outputs, g
        assert dy is not None
        return {x: b.map("mul", b.reshape(dy, kept), b.map("exp", b.map("sub", x, b.reshape(y, kept))))}

    with b.region(Operation("logsumexp"), x) as region:
        largest = b.reduce("max", x, axes, keep=True)
        total = b.reduce("sum", b.map("exp", b.map("sub", x, largest)), axes, keep=keep)
        y = b.map("add", b.map("log", total), b.reshape(largest, total.shape))
        region.returns(y, gradient=gradient)
    return y


def vector_norm(b: Builder, x: Tensor, order: float, axes: Sequence[int], *, keep: bool = False) -> Tensor:
    """(Σ|x|^p)^(1/p); the largest |x| for p = ∞, the smallest for −∞, the number of elements that are not 0 for 0."""
    if math.isinf(order):
        return b.reduce("max" if order > 0 else "min", b.map("abs", x), axes, keep=keep)
    if order == 0:
        return b.reduce("sum", b.emit(ops.Cast(x.dtype), b.map("not_equal", x, 0.0)), axes, keep=keep)
    total = power_sum(b, x, order, axes, keep=keep)
    return total if order == 1 else power(b, total, 1 / order)


def power_sum(b: Builder, x: Tensor, order: float, axes: Sequence[int], *, keep: bool = False) -> Tensor:
    """Σ|x|^p; an absolute value is free."""
    size = x if order % 2 == 0 else b.map("abs", x)
    return b.reduce("sum", size if order == 1 else power(b, size, order), axes, keep=keep)


def cumulative_sum(b: Builder, x: Tensor, axis: int, *, exclusive: bool = False, reverse: bool = False) -> Tensor:
    """The sum of each element and those before it along an axis of n: n−1 add.

    ``exclusive`` leaves the element itself out (the first sum is 0), ``reverse`` sums from the end.
    """
    return _cumulative(b, "sum", x, axis, 0.0 if exclusive else None, reverse)


def cumulative_product(b: Builder, x: Tensor, axis: int, *, exclusive: bool = False, reverse: bool = False) -> Tensor:
    """The product of each element and those before it along an axis of n: n−1 mul; settings as of :func:`cumulative_sum`."""
    return _cumulative(b, "prod", x, axis, 1.0 if exclusive else None, reverse)


def _cumulative(
    b: Builder, function: Literal["sum", "prod"], x: Tensor, axis: int, start: float | None, reverse: bool
) -> Tensor:
    """A scan; with ``start`` that number is the first result, and the last element is left out."""
    axis %= x.rank
    if x.shape[axis] == 0:  # Nothing to leave out.
        start = None
    if reverse:
        x = b.emit(ops.Flip((axis,)), x)
    if start is not None:
        none = (0,) * x.rank
        before, after = ((*none[:axis], width, *none[axis + 1 :]) for width in (1, -1))
        x = b.emit(ops.Pad(before, after, start), x)
    y = b.emit(ops.Scan(function, axis), x)
    return b.emit(ops.Flip((axis,)), y) if reverse else y
