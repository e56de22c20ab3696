"""The largest batch whose step fits into so many bytes: by the formula where there is one, by counting otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from nncost.counting.memory.memory import Fit
from nncost.counting.memory.step import EXACT
from nncost.dims import Dim, is_symbolic, substitute, symbol
from nncost.errors import Instead, NncostError, OptionError
from nncost.frontends.registry import front_end_for
from nncost.pipeline.report_on import report_on
from nncost.pipeline.settings import Settings
from nncost.records import replace
from nncost.report import Report

UNBOUNDED = 2**50
"""Batches beyond this are no batches: the peak does not grow with it."""
_SYMBOL = "batch_that_fits"

Peak = Callable[[int], int]


def with_fit(report: Report, source: Any, settings: Settings, limit: int) -> Report:
    """The report with the largest batch whose step takes no more than ``limit`` bytes.

    Raise OptionError if the peak is not known or does not depend on the batch.
    """
    batch = settings.load.batch
    if report.memory.step_peak is None and (batch is None or not is_symbolic(batch)):
        raise OptionError(
            "fits needs the peak of a step, which is not known here.",
            hint=report.memory.notes[0],
            instead=Instead("--fits", ""),
        )
    if "batch" in front_end_for(source).unused():
        raise _stays(report)
    counted = _Counted(source, settings)
    answer = _by_formula(source, settings, limit)
    if answer is None or (answer and counted(answer) > limit) or counted(answer + 1) <= limit:
        _check_bound(report)
        answer = largest_batch(counted, limit)
    return replace(report, memory=replace(report.memory, fits=Fit(limit, answer, counted(max(answer, 1)))))


def largest_batch(peak: Peak, limit: int) -> int:
    """The largest batch with ``peak(batch) <= limit``; 0 for none. ``peak`` must not fall as the batch grows.

    Peaks are lines in the batch with few bends, so the next guess is where the line through the last
    two would cross the limit; the answer and the batch after it have been looked at.
    """
    low, low_peak = 1, peak(1)
    if low_peak > limit:
        return 0
    high, high_peak = 2, peak(2)
    while high_peak <= limit:
        if high > UNBOUNDED:
            raise OptionError("fits asks for the largest batch, but this source's peak does not grow with its batch.")
        slope = (high_peak - low_peak) // (high - low)
        step = (limit - high_peak) // slope + 1 if slope > 0 else high
        low, low_peak, high = high, high_peak, min(high + step, UNBOUNDED * 2)
        high_peak = peak(high)
    turns = 0
    while high - low > 1:
        crossing = low + (limit - low_peak) * (high - low) // (high_peak - low_peak)
        offer = (crossing, crossing + 1, (low + high) // 2)[turns % 3]
        middle = min(max(offer, low + 1), high - 1)
        middle_peak = peak(middle)
        if middle_peak <= limit:
            low, low_peak = middle, middle_peak
        else:
            high, high_peak = middle, middle_peak
        turns += 1
    return low


def _by_formula(source: Any, settings: Settings, limit: int) -> int | None:
    """The answer of the formula; None where there is none. Counting confirms it."""
    if settings.allocator != EXACT or front_end_for(source).traced:
        return None
    peak = _formula(source, settings)
    return None if peak is None else largest_batch(peak, limit)


def _formula(source: Any, settings: Settings) -> Peak | None:
    """The peak by its formula in the batch; None where the source cannot be read with a symbol for it."""
    batch = symbol(_SYMBOL)
    try:
        report = report_on(source, replace(settings, examples=None, epochs=1, load=replace(settings.load, batch=batch)))
    except NncostError:
        return None
    _check_batch(report, batch)
    amount = report.memory.step_peak
    if amount is None:
        return None
    free = {str(s) for s in getattr(amount, "free_symbols", ())} - {_SYMBOL}
    if free:
        _refuse_symbols(free)
    return lambda number: _number(substitute(amount, {batch: number}))


def _check_batch(report: Report, batch: Dim) -> None:
    """Raise OptionError if the source was counted at another batch than the one asked for."""
    if report.settings["batch"] != batch:
        raise _stays(report)


def _stays(report: Report) -> OptionError:
    return OptionError(
        f"fits cannot choose the batch of this source: it stays {report.settings['batch']}.",
        hint="Give the shape of an input whose first size is the batch, e.g. --input 1x3x224x224.",
    )


def _number(amount: Dim) -> int:
    return amount if isinstance(amount, int) else int(cast("Any", amount).doit())


def _check_bound(report: Report) -> None:
    free = {str(s) for s in getattr(report.memory.step_peak, "free_symbols", ())}
    free -= {str(report.settings["batch"])}
    if free:
        _refuse_symbols(free)


def _refuse_symbols(free: set[str]) -> None:
    name = min(free)
    raise OptionError(
        f"fits needs numbers for every size but the batch; {', '.join(sorted(free))} is a symbol.",
        hint=f"For example: --symbol {name}=128",
    )


@dataclass(slots=True)
class _Counted:
    """The peak by counting the source at a batch, each one once."""

    source: Any
    settings: Settings
    known: dict[int, int] = field(default_factory=dict)

    def __call__(self, batch: int) -> int:
        if batch not in self.known:
            settings = replace(self.settings, examples=None, epochs=1, load=replace(self.settings.load, batch=batch))
            report = report_on(self.source, settings)
            _check_batch(report, batch)
            if report.memory.step_peak is None:
                raise OptionError(
                    "fits needs the peak of a step, which is not known here.", hint=report.memory.notes[0]
                )
            self.known[batch] = _number(report.memory.step_peak)
        return self.known[batch]
