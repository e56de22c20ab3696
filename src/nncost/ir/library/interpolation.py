"""The input elements that each output of a resampled axis is made of, and their constant weights.

Each function takes the axis's length, the wanted length, whether corners are aligned, and the scale if one was given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nncost.records import record

CUBIC = -0.75
"""The coefficient of cubic convolution (Keys 1981) that PyTorch and OpenCV take."""
CUBIC_ANTIALIASED = -0.5
"""The coefficient that PyTorch and Pillow take with antialiasing."""
Array = Any


@record
class AxisTaps:
    """``indices`` and ``weights`` of shape (taps, outputs), made when the graph runs; nearest has no weights."""

    taps: int
    indices: Callable[[], Array]
    weights: Callable[[], Array] | None


def step_of(size: int, output: int, align: bool, scale: float | None) -> float:
    """Input elements per output element."""
    if align:
        return (size - 1) / (output - 1) if output > 1 else 0.0
    return 1 / scale if scale else size / output


def _centres(output: int, step: float, align: bool) -> Array:
    n = np.arange(output)
    return n * step if align else (n + 0.5) * step - 0.5


def nearest(size: int, output: int, scale: float | None, *, exact: bool) -> AxisTaps:
    """One element; its index is rounded in single precision, as PyTorch's is."""

    def indices() -> Array:
        step = np.float32(step_of(size, output, False, scale))
        n = np.arange(output, dtype=np.float32) + np.float32(0.5 if exact else 0.0)
        return np.minimum(np.floor(n * step).astype(np.int64), size - 1)[None]

    return AxisTaps(1, indices, None)


def linear(size: int, output: int, align: bool, scale: float | None) -> AxisTaps:
    """The two neighbours."""

    def source() -> Array:
        return np.maximum(_centres(output, step_of(size, output, align, scale), align), 0.0)

    def indices() -> Array:
        first = np.minimum(np.floor(source()).astype(np.int64), size - 1)
        return np.stack([first, np.minimum(first + 1, size - 1)])

    def weights() -> Array:
        share = np.minimum(source() - indices()[0], 1.0)
        return np.stack([1 - share, share])

    return AxisTaps(2, indices, weights)


def cubic(size: int, output: int, align: bool, scale: float | None) -> AxisTaps:
    """Four neighbours."""

    def source() -> Array:
        return _centres(output, step_of(size, output, align, scale), align)

    def indices() -> Array:
        first = np.floor(source()).astype(np.int64)
        return np.clip(np.stack([first + offset for offset in (-1, 0, 1, 2)]), 0, size - 1)

    def weights() -> Array:
        share = source() - np.floor(source())
        return np.stack([cubic_weight(np.abs(share - offset), CUBIC) for offset in (-1, 0, 1, 2)])

    return AxisTaps(4, indices, weights)


def cubic_weight(x: Array, a: float) -> Array:
    """The weight of a neighbour at the distance ``x`` in cubic convolution with the coefficient ``a``."""
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _triangle(x: Array) -> Array:
    return np.maximum(1 - np.abs(x), 0.0)


def _lanczos(x: Array) -> Array:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


_FILTERS: dict[str, tuple[int, Callable[[Array], Array]]] = {
    "bilinear": (2, _triangle),
    "bicubic": (4, lambda x: cubic_weight(np.abs(x), CUBIC_ANTIALIASED)),
    "lanczos": (6, _lanczos),
}
"""The width of each filter and its value."""


def antialiased(kind: str, size: int, output: int, align: bool, scale: float | None) -> AxisTaps:
    """All elements under a filter that is as wide as the step; taps beyond those of an output have weight zero."""
    width, function = _FILTERS[kind]
    step = step_of(size, output, align, scale)
    support = width / 2 * max(step, 1.0)
    centre = step * (np.arange(output) + 0.5)

    def bounds() -> tuple[Array, Array]:
        low = np.maximum((centre - support + 0.5).astype(np.int64), 0)
        return low, np.minimum((centre + support + 0.5).astype(np.int64), size) - low

    low, count = bounds()
    taps = int(count.max()) if output else 1

    def indices() -> Array:
        return np.minimum(low + np.arange(taps)[:, None], size - 1)

    def weights() -> Array:
        offset = np.arange(taps)[:, None]
        raw = np.where(offset < count, function((low + offset - centre + 0.5) / max(step, 1.0)), 0.0)
        return raw / raw.sum(0)

    return AxisTaps(taps, indices, weights)
