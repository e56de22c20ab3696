"""A part of a peak, or seconds, with the spread of what was published."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from nncost.records import record


@record
class Share:
    """Low, value and high."""

    low: float
    value: float
    high: float

    def __mul__(self, other: Share) -> Share:
        return Share(self.low * other.low, self.value * other.value, self.high * other.high)

    def wider(self, spread: float, most: float) -> Share:
        """The same value, with ends farther by ``spread`` (0.2 is a fifth), the upper one at ``most``."""
        return Share(self.low / (1 + spread), self.value, max(self.value, min(self.high * (1 + spread), most)))


def exactly(value: float) -> Share:
    """A share without an interval."""
    return Share(value, value, value)


def spread_of(values: Iterable[float]) -> Share:
    """From the least to the most of some values, with their median."""
    found = list(values)
    return Share(min(found), median(found), max(found))
