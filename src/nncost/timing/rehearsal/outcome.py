"""What came of running a source's step before it was asked for."""

from __future__ import annotations

from nncost.records import record
from nncost.timing.measure.series import Series
from nncost.timing.prediction import Label
from nncost.units import counted, seconds_text


@record
class Ran:
    """Steps that ran for real, with the seconds of a whole one: all its blocks, or ``blocks`` of ``of`` equal ones."""

    label: Label
    series: Series
    blocks: int = 0
    of: int = 0

    @property
    def text(self) -> str:
        """What was done, in words."""
        took = seconds_text(self.series.elapsed)
        steps = counted(len(self.series.steps), "step")
        if self.label == "rehearsed":
            return f"rehearsed {steps} in {took}"
        return f"ran {self.blocks} of {counted(self.of, 'equal block')} in {steps} and {took}"


@record
class NotRun:
    """Why no step ran."""

    reason: str

    @property
    def text(self) -> str:
        """What was done instead, in words."""
        return f"operators alone: {self.reason}"
