"""Scaling of columns: learned from the training rows only, applied to all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nncost.trainer.tables.table import Array


@dataclass(frozen=True, slots=True)
class Scaling:
    """``(x − shift) / scale``, by column. A column that never changes becomes zero."""

    shift: Array
    scale: Array

    def apply(self, numbers: Array) -> Array:
        """The scaled numbers."""
        return (numbers - self.shift) / self.scale

    def undo(self, numbers: Array) -> Array:
        """The numbers in the table's own unit."""
        return numbers * self.scale + self.shift

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"shift": np.atleast_1d(self.shift).tolist(), "scale": np.atleast_1d(self.scale).tolist()}


def standard(rows: Array) -> Scaling:
    """Mean 0 and standard deviation 1 over the given rows."""
    largest = np.maximum(np.abs(rows).max(axis=0), np.finfo(np.float64).tiny)
    shrunk = rows / largest  # Squares of very large numbers would be infinite.
    deviation = shrunk.std(axis=0)
    varies = (rows != rows[:1]).any(axis=0) & (deviation > 0)
    return Scaling(np.where(varies, shrunk.mean(axis=0) * largest, rows[0]), np.where(varies, deviation * largest, 1.0))


def unit_range(rows: Array) -> Scaling:
    """0 to 1 over the given rows: for a network whose last activation has bounds."""
    low, high = rows.min(axis=0), rows.max(axis=0)
    return Scaling(low, np.where(high > low, high - low, 1.0))


def unscaled(columns: int) -> Scaling:
    """No scaling: indices into a table of vectors stay as they are."""
    return Scaling(np.zeros(columns), np.ones(columns))
