"""Resizing images, and sampling them at places that are data."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product as combinations
from math import prod
from typing import Any, cast

import numpy as np

from nncost.frontends.torch.lowerings.gradient import gradient
from nncost.frontends.torch.lowerings.operands import cast as typed
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor

CUBIC = -0.75
"""PyTorch's coefficient of cubic convolution (Keys 1981)."""
CUBIC_SMOOTHED = -0.5
"""The coefficient it takes, as Pillow does, where it smooths first."""
Array = Any


@dataclass(frozen=True, slots=True)
class AxisTaps:
    """``places`` and ``weights`` of shape (taps, outputs), made when the graph runs; nearest has no weights."""

    taps: int
    places: Callable[[], Array]
    weights: Callable[[], Array] | None


def step_of(size: int, output: int, align: bool, scale: float | None) -> float:
    """Input elements for each output element."""
    if align:
        return (size - 1) / (output - 1) if output > 1 else 0.0
    return 1 / scale if scale else size / output


def _centres(output: int, step: float, align: bool) -> Array:
    n = np.arange(output)
    return n * step if align else (n + 0.5) * step - 0.5


def nearest(size: int, output: int, scale: float | None, *, exact: bool) -> AxisTaps:
    """One element; its place is rounded in single precision, as PyTorch does."""

    def places() -> Array:
        step = np.float32(step_of(size, output, False, scale))
        n = np.arange(output, dtype=np.float32) + np.float32(0.5 if exact else 0.0)
        return np.minimum(np.floor(n * step).astype(np.int64), size - 1)[None]

    return AxisTaps(1, places, None)


def linear(size: int, output: int, align: bool, scale: float | None) -> AxisTaps:
    """The two neighbours."""

    def source() -> Array:
        return np.maximum(_centres(output, step_of(size, output, align, scale), align), 0.0)

    def places() -> Array:
        first = np.minimum(np.floor(source()).astype(np.int64), size - 1)
        return np.stack([first, np.minimum(first + 1, size - 1)])

    def weights() -> Array:
        share = np.minimum(source() - places()[0], 1.0)
        return np.stack([1 - share, share])

    return AxisTaps(2, places, weights)


def cubic(size: int, output: int, align: bool, scale: float | None) -> AxisTaps:
    """Four neighbours."""

    def source() -> Array:
        return _centres(output, step_of(size, output, align, scale), align)

    def places() -> Array:
        first = np.floor(source()).astype(np.int64)
        return np.clip(np.stack([first + offset for offset in (-1, 0, 1, 2)]), 0, size - 1)

    def weights() -> Array:
        share = source() - np.floor(source())
        return np.stack([_cubic(np.abs(share - offset), CUBIC) for offset in (-1, 0, 1, 2)])

    return AxisTaps(4, places, weights)


def _cubic(x: Array, a: float) -> Array:
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _triangle(x: Array) -> Array:
    return np.maximum(1 - np.abs(x), 0.0)


def _lanczos(x: Array) -> Array:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


_FILTERS: dict[str, tuple[int, Callable[[Array], Array]]] = {
    "bilinear": (2, _triangle),
    "bicubic": (4, lambda x: _cubic(np.abs(x), CUBIC_SMOOTHED)),
    "lanczos": (6, _lanczos),
}
"""The width of each filter and its value."""


def smoothed(kind: str, size: int, output: int, align: bool, scale: float | None) -> AxisTaps:
    """All elements under a filter that is as wide as the step; places beyond an output's share weigh nothing."""
    width, function = _FILTERS[kind]
    step = step_of(size, output, align, scale)
    support = width / 2 * max(step, 1.0)
    taps = min(size, math.ceil(support) * 2 + 1)
    centre = step * (np.arange(output) + 0.5)

    def bounds() -> tuple[Array, Array]:
        low = np.maximum((centre - support + 0.5).astype(np.int64), 0)
        return low, np.minimum((centre + support + 0.5).astype(np.int64), size) - low

    low, count = bounds()
    taps = int(count.max()) if output else 1

    def places() -> Array:
        return np.minimum(low + np.arange(taps)[:, None], size - 1)

    def weights() -> Array:
        offset = np.arange(taps)[:, None]
        raw = np.where(offset < count, function((low + offset - centre + 0.5) / max(step, 1.0)), 0.0)
        return raw / raw.sum(0)

    return AxisTaps(taps, places, weights)


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
    with b.region("interpolate", x) as region:
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
    with b.region("interpolate", x) as region:
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


_UPSAMPLES = (
    "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "_upsample_nearest_exact1d",
    "_upsample_nearest_exact2d", "_upsample_nearest_exact3d", "upsample_linear1d", "upsample_bilinear2d",
    "upsample_trilinear3d", "upsample_bicubic2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa",
    "_upsample_lanczos2d_aa",
)  # fmt: skip


@lowers(*(f"aten::{name}" for name in _UPSAMPLES))
def _upsample(call: Call) -> Tensor:
    x = call.tensor("self" if "self" in call.arguments else "input")
    sizes, outputs = cast("tuple[int, ...]", x.shape[2:]), cast("tuple[int, ...]", call.outputs[0][0][2:])
    return _resized(call, sizes, outputs)(call.builder, x)


@lowers(*(f"aten::{name}_backward" for name in _UPSAMPLES))
def _upsample_backward(call: Call) -> Lowered:
    g = call.tensor("grad_output")
    shape = tuple(call["input_size"])
    x = call.builder.emit(ops.Constant("fill", shape, g.dtype, 0.0))  # its values play no part
    forward = _resized(call, shape[2:], cast("tuple[int, ...]", g.shape[2:]))
    return gradient(call.builder, forward, (x,), g, (True,))[0]


LINEAR, NEAREST, CUBIC_MODE = 0, 1, 2
ZEROS, BORDER, REFLECTION = 0, 1, 2
"""PyTorch's numbers for the interpolation and for what lies outside."""

Neighbour = tuple[Tensor, "Tensor | None"]
"""A place along one axis, and the weight it has there."""


def _sampled(b: Builder, x: Tensor, grid: Tensor, mode: int, outside: int, align: bool) -> Tensor:
    """``x`` (N, C, *sizes) at ``grid`` (N, *outputs, d), whose last axis names the last size first."""
    sizes = cast("tuple[int, ...]", x.shape[2:])
    points = b.reshape(grid, (grid.shape[0], prod(cast("tuple[int, ...]", grid.shape[1:-1])), len(sizes)))
    columns = b.emit_many(ops.Split(2, (1,) * len(sizes)), points)
    axes = []
    for size, column in zip(sizes, reversed(columns), strict=True):
        place = _place(b, b.reshape(column, points.shape[:2]), size, align)
        axes.append(_neighbours(b, place, size, mode, outside, align))
    flat = b.reshape(x, (*x.shape[:2], prod(sizes)))
    total: Tensor | None = None
    for corner in combinations(*axes):
        value = _corner(b, flat, corner, sizes, outside)
        total = value if total is None else b.map("add", total, value)
    assert total is not None
    return b.reshape(total, (*x.shape[:2], *grid.shape[1:-1]))


def _place(b: Builder, coordinate: Tensor, size: int, align: bool) -> Tensor:
    """From −1…1 to 0…size−1: c·s/2 + (size−1)/2, with s the size, or size−1 where corners are aligned."""
    return b.map("add", b.map("mul", coordinate, (size - 1 if align else size) / 2), (size - 1) / 2)


def _neighbours(b: Builder, place: Tensor, size: int, mode: int, outside: int, align: bool) -> list[Neighbour]:
    if mode != CUBIC_MODE:
        place = _brought_in(b, place, size, outside, align)
    if mode == NEAREST:
        return [(b.map("round", place), None)]
    first = b.map("floor", place)
    share = b.map("sub", place, first)
    if mode == LINEAR:
        return [(first, b.map("sub", 1.0, share)), (b.map("add", first, 1.0), share)]
    found: list[Neighbour] = []
    for offset in (-1, 0, 1, 2):
        there = b.map("add", first, float(offset)) if offset else first
        distance = (
            b.map("add", share, 1.0) if offset == -1 else share if offset == 0 else b.map("sub", float(offset), share)
        )
        weight = _near(b, distance) if offset in (0, 1) else _far(b, distance)
        found.append((_brought_in(b, there, size, outside, align), weight))
    return found


def _near(b: Builder, x: Tensor) -> Tensor:
    """((a+2)·x − (a+3))·x² + 1."""
    inner = b.map("sub", b.map("mul", CUBIC + 2, x), CUBIC + 3)
    return b.map("add", b.map("mul", b.map("mul", inner, x), x), 1.0)


def _far(b: Builder, x: Tensor) -> Tensor:
    """((a·x − 5a)·x + 8a)·x − 4a."""
    inner = b.map("sub", b.map("mul", CUBIC, x), 5 * CUBIC)
    return b.map("sub", b.map("mul", b.map("add", b.map("mul", inner, x), 8 * CUBIC), x), 4 * CUBIC)


def _brought_in(b: Builder, place: Tensor, size: int, outside: int, align: bool) -> Tensor:
    """Inside the image: not at all (what is outside is zero), at its border, or reflected."""
    if outside == ZEROS:
        return place
    if outside == REFLECTION:
        place = _reflected(b, place, 0.0 if align else -0.5, float(size - 1 if align else size))
    return b.map("clip", place, 0.0, float(size - 1))


def _reflected(b: Builder, place: Tensor, low: float, span: float) -> Tensor:
    """Reflected at ``low`` and ``low + span`` until it is between."""
    if span == 0:
        return b.map("mul", place, 0.0)
    distance = b.map("abs", b.map("sub", place, low))
    flips = b.map("floor", b.map("div", distance, span))
    rest = b.map("sub", distance, b.map("mul", flips, span))
    odd = b.map("sub", flips, b.map("mul", 2.0, b.map("floor", b.map("mul", 0.5, flips))))
    return b.map("add", b.map("where_positive", odd, b.map("sub", span, rest), rest), low)


def _corner(b: Builder, flat: Tensor, corner: Sequence[Neighbour], sizes: Sequence[int], outside: int) -> Tensor:
    """The value at one corner times its weight; nothing where it is outside."""
    weight: Tensor | None = None
    inside: Tensor | None = None
    index: Tensor | None = None
    for (place, share), size in zip(corner, sizes, strict=True):
        if share is not None:
            weight = share if weight is None else b.map("mul", weight, share)
        if outside == ZEROS:
            for condition in (b.map("greater_equal", place, 0.0), b.map("greater_equal", float(size - 1), place)):
                inside = condition if inside is None else b.map("and", inside, condition)
        whole = _whole(b, place, size)
        index = whole if index is None else b.map("add", b.map("mul", index, _int(b, size)), whole)
    assert index is not None
    spread = b.broadcast(b.reshape(index, (index.shape[0], 1, index.shape[1])), (*flat.shape[:2], index.shape[1]))
    value = b.emit(ops.Gather(2, along=True), flat, spread)
    if inside is not None:
        if weight is None:
            return b.map("select", b.reshape(inside, (index.shape[0], 1, index.shape[1])), value, 0.0)
        weight = b.map("select", inside, weight, 0.0)
    if weight is None:
        return value
    return b.map("mul", value, b.reshape(weight, (index.shape[0], 1, index.shape[1])))


def _whole(b: Builder, place: Tensor, size: int) -> Tensor:
    """A whole number that is safe to look up."""
    return b.map("min", b.map("max", typed(b, place, "int64"), _int(b, 0)), _int(b, size - 1))


def _int(b: Builder, value: int) -> Tensor:
    return b.emit(ops.Constant("fill", (), "int64", value))


def _settings(call: Call) -> tuple[int, int, bool]:
    return call["interpolation_mode"], call["padding_mode"], bool(call["align_corners"])


@lowers(
    "aten::grid_sampler_2d", "aten::grid_sampler_3d", "aten::_grid_sampler_2d_cpu_fallback", "aten::cudnn_grid_sampler"
)
def _grid_sample(call: Call) -> Tensor:
    b, x, grid = call.builder, call.tensor("self" if "self" in call.arguments else "input"), call.tensor("grid")
    with b.region("grid_sample", x, grid) as region:
        settings = _settings(call) if "interpolation_mode" in call.arguments else (LINEAR, ZEROS, True)
        region.returns(_sampled(b, x, grid, *settings))
    return region.outputs[0]


@lowers("aten::grid_sampler_2d_backward", "aten::grid_sampler_3d_backward",
                 "aten::_grid_sampler_2d_cpu_fallback_backward", "aten::cudnn_grid_sampler_backward")  # fmt: skip
def _grid_sample_backward(call: Call) -> Lowered:
    settings = _settings(call) if "interpolation_mode" in call.arguments else (LINEAR, ZEROS, True)
    mask = [bool(flag) for flag in call.get("output_mask", (True, True))]
    operands = (call.tensor("self" if "self" in call.arguments else "input"), call.tensor("grid"))

    def forward(b: Builder, x: Tensor, grid: Tensor) -> Tensor:
        return _sampled(b, x, grid, *settings)

    return gradient(call.builder, forward, operands, call.tensor("grad_output"), mask)
