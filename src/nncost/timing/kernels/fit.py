"""Constants from measured kernel times: those that make the mean relative error least."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

_FIRST_STEP, _LAST_STEP = 0.3, 0.004
"""By which factor (its logarithm) a constant is changed at first and at last."""


def fitted(
    seconds: Callable[[Sequence[float]], np.ndarray], measured: np.ndarray, start: Sequence[float]
) -> list[float]:
    """Return positive constants whose ``seconds`` are closest to those ``measured``: a compass search from ``start``.

    One constant after the other goes up or down as long as that helps; then steps become half as large.
    """
    logs, step = np.log(start), _FIRST_STEP
    best = _error(seconds, logs, measured)
    while step > _LAST_STEP:
        moved = False
        for place in range(len(logs)):
            for way in (step, -step):
                tried = logs.copy()
                tried[place] += way
                error = _error(seconds, tried, measured)
                if error < best - 1e-9:
                    logs, best, moved = tried, error, True
                    break
        if not moved:
            step /= 2
    return [float(value) for value in np.exp(logs)]


def _error(seconds: Callable[[Sequence[float]], np.ndarray], logs: np.ndarray, measured: np.ndarray) -> float:
    return float(np.mean(np.abs(np.log(seconds(np.exp(logs).tolist()) / measured))))
