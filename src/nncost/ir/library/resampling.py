"""Axes resampled as ONNX's Resize says: where each output lies among the inputs, and the weights of its neighbours.

The weights are known before the model runs, so that an axis is an :class:`AxisTaps` whatever its settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from nncost.dims import Dim
from nncost.ir.library.interpolation import CUBIC, AxisTaps, cubic_weight
from nncost.records import record

Array = Any
Kind = Literal["nearest", "linear", "cubic"]


@record
class Resampling:
    """How outputs are made of inputs.

    ``coordinates`` and ``rounding`` are ONNX's coordinate_transformation_mode and nearest_mode (``simple`` before
    opset 11: up when the axis shrinks, else down). With ``antialias`` a filter is as wide as the step of an axis
    that shrinks; neighbours ``outside`` the axis are its border, or left out.
    """

    kind: Kind
    coordinates: str = "half_pixel"
    rounding: str = "round_prefer_floor"
    coefficient: float = CUBIC
    antialias: bool = False
    outside: bool = True


@record
class Axis:
    """``size`` elements become ``output`` ones, ``scale`` times as many; ``roi`` is the part that is cut out."""

    size: Dim
    output: Dim
    scale: Any
    roi: tuple[float, float] = (0.0, 1.0)


Positions = Callable[[Array, float, float, float, Axis], Array]
"""``positions(output number, size, output, scale·size, axis)`` gives where among the inputs each output lies."""


def _half_pixel(n: Array, size: float, output: float, exact: float, axis: Axis) -> Array:
    return (n + 0.5) / axis.scale - 0.5


def _torch_half_pixel(n: Array, size: float, output: float, exact: float, axis: Axis) -> Array:
    """As the standard says for a length of the resized tensor, which is whole: a single output is the first input."""
    return n * 0.0 if output == 1 else _half_pixel(n, size, output, exact, axis)


def _symmetric(n: Array, size: float, output: float, exact: float, axis: Axis) -> Array:
    """The centres of both lie on each other, also if the output was cut to a whole number."""
    return size / 2 * (1 - output / exact) + _half_pixel(n, size, output, exact, axis)


def _aligned(n: Array, size: float, output: float, exact: float, axis: Axis) -> Array:
    """Of a length that is no whole number, as the standard's own cases and evaluator have it; onnxruntime cuts it."""
    return n * 0.0 if exact == 1 else n * (size - 1) / (exact - 1)


def _cropped(n: Array, size: float, output: float, exact: float, axis: Axis) -> Array:
    start, end = axis.roi
    if exact == 1:
        return n * 0.0 + (start + end) * (size - 1) / 2
    return start * (size - 1) + n * (end - start) * (size - 1) / (exact - 1)


COORDINATES: Mapping[str, Positions] = {
    "half_pixel": _half_pixel, "pytorch_half_pixel": _torch_half_pixel, "half_pixel_symmetric": _symmetric,
    "align_corners": _aligned, "asymmetric": lambda n, size, output, exact, axis: n / axis.scale,
    "tf_crop_and_resize": _cropped, "tf_half_pixel_for_nn": lambda n, size, output, exact, axis: (n + 0.5) / axis.scale,
}  # fmt: skip
"""By the names of ONNX."""
ROUNDINGS: Mapping[str, Callable[[Array, float], Array]] = {
    "round_prefer_floor": lambda x, scale: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x, scale: np.floor(x + 0.5),
    "floor": lambda x, scale: np.floor(x),
    "ceil": lambda x, scale: np.ceil(x),
    "simple": lambda x, scale: np.ceil(x) if scale < 1 else np.floor(x),
}
"""By the names of ONNX's nearest_mode."""


def positions(how: Resampling, axis: Axis) -> Array:
    """Where each output lies among the inputs; the nearest one is found in single precision, as libraries do."""
    size, output = int(axis.size), int(axis.output)
    n = np.arange(output, dtype=np.float32 if how.kind == "nearest" else np.float64)
    scale = float(axis.scale)
    return COORDINATES[how.coordinates](
        n, float(size), float(output), scale * size, Axis(size, output, scale, axis.roi)
    )


def outside(how: Resampling, axis: Axis) -> Array:
    """Which outputs lie beyond the inputs; only a part that is cut out may reach there."""
    if how.coordinates != "tf_crop_and_resize":
        return np.zeros(int(axis.output), dtype=bool)
    where = positions(how, axis)
    return (where < 0) | (where > int(axis.size) - 1)


def taps_of(how: Resampling, axis: Axis) -> AxisTaps:
    """The neighbours of each output along an axis and their weights."""
    if how.kind == "nearest":
        return AxisTaps(1, lambda: _nearest(how, axis), None)
    first, count = _reach(how, axis)

    def neighbours() -> Array:
        offsets = np.arange(first, first + count)[:, None]
        return np.floor(positions(how, axis)).astype(np.int64) + offsets

    return AxisTaps(
        count, lambda: np.clip(neighbours(), 0, int(axis.size) - 1), lambda: _weights(how, axis, neighbours())
    )


def _nearest(how: Resampling, axis: Axis) -> Array:
    found = ROUNDINGS[how.rounding](positions(how, axis), float(axis.scale))
    return np.clip(found.astype(np.int64), 0, int(axis.size) - 1)[None]


def _reach(how: Resampling, axis: Axis) -> tuple[int, int]:
    """The first neighbour, counted from the one at or before a position, and how many there are."""
    half = 2 if how.kind == "cubic" else 1
    if not how.antialias:
        return 1 - half, 2 * half
    first = int(np.floor(-half / min(float(axis.scale), 1.0))) + 1
    return first, 2 - 2 * first


def _weights(how: Resampling, axis: Axis, neighbours: Array) -> Array:
    narrow = min(float(axis.scale), 1.0) if how.antialias else 1.0
    distance = np.abs(neighbours - positions(how, axis)) * narrow
    linear = how.kind == "linear"
    raw = np.maximum(1 - distance, 0.0) if linear else cubic_weight(distance, how.coefficient)
    if not how.outside:
        raw = np.where((neighbours < 0) | (neighbours >= int(axis.size)), 0.0, raw)
    total = raw.sum(0) if how.antialias or not how.outside else np.ones(())
    return raw / np.where(total == 0, 1.0, total)
