"""How steady the machine was while steps ran: nothing can be predicted better than that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nncost.records import record

if TYPE_CHECKING:
    from nncost.timing.measure.step import StepSeconds

_PERCENT = 100


@record
class Noise:
    """``halves``: how much the medians of the first and the second half of the steps differ (None where none ran).

    ``reference``: by how much fixed reference work varied: 0.1 is a tenth.
    """

    halves: float | None
    reference: float | None

    @property
    def text(self) -> str:
        """Both in a sentence's part."""
        parts = []
        if self.halves is not None:
            parts.append(f"the two halves of the steps differ by {_PERCENT * self.halves:.1f} %")
        if self.reference is not None:
            parts.append(f"fixed reference work {'by' if parts else 'varied by'} {_PERCENT * self.reference:.1f} %")
        return ", ".join(parts)

    def to_dict(self) -> dict[str, float | None]:
        """As JSON holds it."""
        return {"halves": self.halves, "reference": self.reference}


def noise_of(steps: Sequence[StepSeconds], references: Sequence[float]) -> Noise:
    """Return how far steps and reference work varied, the latter between its quartiles."""
    return Noise(_halves([step.step for step in steps]), _between_quartiles(references))


def _halves(seconds: Sequence[float]) -> float | None:
    half = len(seconds) // 2
    if not half:
        return None
    first, second = (sorted(part)[len(part) // 2] for part in (seconds[:half], seconds[half:]))
    return abs(first / second - 1)


def _between_quartiles(seconds: Sequence[float]) -> float | None:
    if not seconds:
        return None
    ordered = sorted(seconds)
    quarter = len(ordered) // 4
    return ordered[-1 - quarter] / ordered[quarter] - 1
