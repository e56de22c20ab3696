"""Resizing: each output is a sum of neighbours with weights that are known before the model runs.

Elementwise, not a contraction: linear in one dimension 2 mul and 1 add for each output, in two 6 and 3,
in three 14 and 7, cubic in two 20 and 15; nearest is a move. Backward multiplies by the same weights and
adds each product to its input.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np

from nncost.frontends.torch.lowerings.gradient import gradient
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.frontends.torch.lowerings.taps import AxisTaps, cubic, linear, nearest, smoothed
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation


def _axis(name: str, size: int, output: int, align: bool, scale: float | None) -> AxisTaps:
    if "nearest" in name:
        return nearest(size, output, scale, exact="exact" in name)
    if name.removesuffix("_backward").endswith("_aa"):
        return smoothed(name.split("_")[2].rstrip("2d"), size, output, align, scale)
    kind = cubic if "cubic" in name else linear
    return kind(size, output, align, scale)


def _scales(call: Call, dims: int) -> list[float | None]:
    """The factors that were given, for each axis; sizes alone decide where there are none."""
    given = call.get("scale_factors")
    if given is not None:
        return [float(factor) for factor in given]
    names = ["scales"] if dims == 1 else ["scales_d", "scales_h", "scales_w"][3 - dims :]
    return [call.get(name) for name in names]


def _resized(call: Call, sizes: Sequence[int], outputs: Sequence[int]) -> Callable[[Builder, Tensor], Tensor]:
    align = bool(call.get("align_corners", False))
    name = call.name.removeprefix("aten::")
    scales = _scales(call, len(sizes))
    axes = [_axis(name, n, m, align, scale) for n, m, scale in zip(sizes, outputs, scales, strict=True)]
    separate = name.removesuffix("_backward").endswith("_aa")

    def apply(b: Builder, x: Tensor) -> Tensor:
        if not separate:
            return _jointly(b, x, axes, outputs)
        for place in reversed(range(len(axes))):
            x = _along(b, x, axes[place], 2 + place, outputs[place])
        return x

    return apply


def _jointly(b: Builder, x: Tensor, axes: Sequence[AxisTaps], outputs: Sequence[int]) -> Tensor:
    """All neighbours taken at once, then summed along one axis after another, the last one first."""
    sizes = cast("tuple[int, ...]", x.shape[2:])
    taps = [axis.taps for axis in axes]
    with b.region(Operation("interpolate"), x) as region:
        index = b.emit(
            ops.Constant("array", (math.prod(taps) * math.prod(outputs),), "int64", lambda: _places(axes, sizes))
        )
        flat = b.reshape(x, (*x.shape[:2], math.prod(sizes)))
        y = b.reshape(b.emit(ops.Gather(2), flat, index), (*x.shape[:2], *taps, *outputs))
        for place in reversed(range(len(axes))):
            y = _summed(b, y, axes[place], 2 + place, 2 + 2 * place + 1, outputs[place])
        region.returns(y)
    return region.outputs[0]


def _summed(b: Builder, y: Tensor, axis: AxisTaps, taps_at: int, outputs_at: int, output: int) -> Tensor:
    """One axis of taps weighted and added up."""
    if axis.weights is None:
        return b.reshape(y, (*y.shape[:taps_at], *y.shape[taps_at + 1 :]))
    shape = [1] * y.rank
    shape[taps_at], shape[outputs_at] = axis.taps, output
    weights = b.emit(ops.Constant("array", tuple(shape), y.dtype, axis.weights))
    return b.reduce("sum", b.map("mul", y, weights), [taps_at])


def _along(b: Builder, x: Tensor, axis: AxisTaps, place: int, output: int) -> Tensor:
    """One axis alone."""
    with b.region(Operation("interpolate"), x) as region:
        index = b.emit(ops.Constant("array", (axis.taps, output), "int64", axis.places))
        y = b.emit(ops.Gather(place), x, index)
        region.returns(_summed(b, y, axis, place, place + 1, output))
    return region.outputs[0]


def _places(axes: Sequence[AxisTaps], sizes: Sequence[int]) -> object:
    """Flat places of every neighbour: axes of taps, then axes of outputs."""
    count = len(axes)
    total = np.zeros((1,) * 2 * count, dtype=np.int64)
    for number, (axis, size) in enumerate(zip(axes, sizes, strict=True)):
        places = np.asarray(axis.places())
        shape = [1] * 2 * count
        shape[number], shape[count + number] = places.shape
        total = total * size + places.reshape(shape)
    return total


_NAMES = (
    "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "_upsample_nearest_exact1d",
    "_upsample_nearest_exact2d", "_upsample_nearest_exact3d", "upsample_linear1d", "upsample_bilinear2d",
    "upsample_trilinear3d", "upsample_bicubic2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa",
    "_upsample_lanczos2d_aa",
)  # fmt: skip


@lowers(*(f"aten::{name}" for name in _NAMES))
def _forward(call: Call) -> Tensor:
    x = call.tensor("self" if "self" in call.arguments else "input")
    sizes, outputs = cast("tuple[int, ...]", x.shape[2:]), cast("tuple[int, ...]", call.outputs[0][0][2:])
    return _resized(call, sizes, outputs)(call.builder, x)


@lowers(*(f"aten::{name}_backward" for name in _NAMES))
def _backward(call: Call) -> Lowered:
    g = call.tensor("grad_output")
    shape = tuple(call["input_size"])
    x = call.builder.emit(ops.Constant("fill", shape, g.dtype, 0.0))  # its values play no part
    forward = _resized(call, shape[2:], cast("tuple[int, ...]", g.shape[2:]))
    return gradient(call.builder, forward, (x,), g, (True,))[0]
