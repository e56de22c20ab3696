"""Resizing: each output is a sum of neighbours with weights that are known before the model runs.

Elementwise, not a contraction: linear in one dimension 2 mul and 1 add per output, in two 6 and 3,
in three 14 and 7, cubic in two 20 and 15; nearest is a move. Backward multiplies by the same weights and
adds each product to its input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nncost.dims import Dim, Shape, product
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library.interpolation import AxisTaps


def resize(b: Builder, x: Tensor, axes: Sequence[AxisTaps], outputs: Sequence[Dim]) -> Tensor:
    """``(B, C, *sizes)`` gives ``(B, C, *outputs)``: all neighbours are taken at once, then summed axis by axis, the last first."""
    sizes = x.shape[2:]
    taps = [axis.taps for axis in axes]
    with b.region(Operation("interpolate"), x) as region:
        index = b.emit(
            ops.Constant("array", (product(taps) * product(outputs),), "int64", lambda: _indices(axes, sizes))
        )
        flat = b.reshape(x, (*x.shape[:2], product(sizes)))
        y = b.reshape(b.emit(ops.Gather(2), flat, index), (*x.shape[:2], *taps, *outputs))
        for n in reversed(range(len(axes))):
            y = _summed(b, y, axes[n], 2 + n, 2 + 2 * n + 1, outputs[n])
        region.returns(y)
    return region.outputs[0]


def resize_axes(b: Builder, x: Tensor, taps: Mapping[int, AxisTaps], shape: Shape, *, together: bool) -> Tensor:
    """Axes of ``x`` resampled to the sizes that ``shape`` has there: all ``together``, or the last one first."""
    if not together:
        for axis in sorted(taps, reverse=True):
            x = resize_axis(b, x, taps[axis], axis, shape[axis])
        return x
    kept = [axis for axis in range(x.rank) if axis not in taps]
    order = [*kept, *sorted(taps)]
    sizes = tuple(x.shape[axis] for axis in order[len(kept) :])
    moved = x if order == list(range(x.rank)) else b.transpose(x, order)
    flat = b.reshape(moved, (1, product(x.shape[axis] for axis in kept), *sizes))
    made = resize(b, flat, [taps[axis] for axis in sorted(taps)], [shape[axis] for axis in sorted(taps)])
    whole = b.reshape(made, tuple(shape[axis] for axis in order))
    return whole if moved is x else b.transpose(whole, [order.index(axis) for axis in range(x.rank)])


def _summed(b: Builder, y: Tensor, axis: AxisTaps, taps_at: int, outputs_at: int, output: Dim) -> Tensor:
    """One axis of taps weighted and added up."""
    if axis.weights is None:
        return b.reshape(y, (*y.shape[:taps_at], *y.shape[taps_at + 1 :]))
    shape: list[Dim] = [1] * y.rank
    shape[taps_at], shape[outputs_at] = axis.taps, output
    weights = b.emit(ops.Constant("array", tuple(shape), y.dtype, axis.weights))
    return b.reduce("sum", b.map("mul", y, weights), [taps_at])


def resize_axis(b: Builder, x: Tensor, taps: AxisTaps, axis: int, output: Dim) -> Tensor:
    """One axis only: antialiasing filters are applied axis by axis."""
    with b.region(Operation("interpolate"), x) as region:
        index = b.emit(ops.Constant("array", (taps.taps, output), "int64", taps.indices))
        y = b.emit(ops.Gather(axis), x, index)
        region.returns(_summed(b, y, taps, axis, axis + 1, output))
    return region.outputs[0]


def _indices(axes: Sequence[AxisTaps], sizes: Sequence[Dim]) -> object:
    """Flat indices of every neighbour: axes of taps, then axes of outputs."""
    count = len(axes)
    total = np.zeros((1,) * 2 * count, dtype=np.int64)
    for number, (axis, size) in enumerate(zip(axes, sizes, strict=True)):
        indices = np.asarray(axis.indices())
        shape = [1] * 2 * count
        shape[number], shape[count + number] = indices.shape
        total = total * size + indices.reshape(shape)
    return total
