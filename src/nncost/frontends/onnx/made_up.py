"""Tables that follow a rule: masks, grids of positions, sines and cosines. What is learned looks like noise."""

from __future__ import annotations

import numpy as np

from nncost.frontends.onnx.values import Array

MAX_DISTINCT = 4
"""Different numbers in a mask: zero, one, the lowest number, minus infinity."""
REPEATED = 8
"""How often each number of a grid stands in it at least."""
EVEN = 1e-4
"""How much the steps of an even grid may differ, of their size."""


def follows_a_rule(values: Array) -> bool:
    """Whether the numbers of a table are few, repeated, evenly spaced along an axis, or sines of positions.

    Quantized ones repeat themselves whatever they stand for.
    """
    quantized, values = values.dtype.kind in "iu", values.astype(np.float64)
    distinct, repeated = len(np.unique(values)), 0 if quantized else values.size // REPEATED
    if distinct <= max(min(MAX_DISTINCT, values.size // 2), repeated):
        return True
    return any(_is_even(values, axis) or _begins_with_position_zero(values, axis) for axis in range(values.ndim))


def _is_even(values: Array, axis: int) -> bool:
    """Whether all lines along an axis are evenly spaced."""
    if values.shape[axis] <= 2:
        return False
    steps = np.diff(values, axis=axis)
    size = np.abs(steps).max()
    return bool(np.isfinite(size) and np.abs(np.diff(steps, axis=axis)).max() <= EVEN * size)


def _begins_with_position_zero(values: Array, axis: int) -> bool:
    """Whether all are sines and cosines, of zero in the first slice of an axis."""
    first = np.take(values, 0, axis=axis)
    return bool(
        values.shape[axis] > 1 and np.abs(values).max() <= 1 and np.isin(first, (0.0, 1.0)).all() and first.size > 1
    )
