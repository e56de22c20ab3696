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


SINE = 2e-3
"""How far numbers may be from a sine: half precision rounds to a fourth of it."""


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
    if values.shape[axis] < 2 or first.size < 2 or not np.isin(first, (0.0, 1.0)).all() or np.abs(values).max() > 1:
        return False
    return values.shape[axis] == 2 or are_sines(*(np.take(values, n, axis=axis) for n in range(3)))


def are_sines(first: Array, second: Array, third: Array) -> bool:
    """Whether three slices are sines and cosines of 0, t and 2t: cos 2t = 2 cos² t − 1 and sin² 2t = 4 sin² t · cos² t."""
    cosines = 2 * second**2 - 1
    sines = 4 * second**2 * (1 - second**2)
    wanted = np.where(first == 1, cosines - third, sines - third**2)
    return bool(np.isin(first, (0.0, 1.0)).all() and np.abs(wanted).max() <= SINE)
