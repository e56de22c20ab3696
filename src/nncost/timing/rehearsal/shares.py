"""Seconds of steps that ran, and the rows of operators alone scaled to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nncost.records import replace
from nncost.timing.measure.step import MEDIAN, ranked
from nncost.timing.prediction import CAUSES, TIMED_PHASES, PredictedRow, Seconds
from nncost.timing.rehearsal.outcome import Ran

LOW, HIGH = 0.05, 0.95
"""Nine of ten steps that ran lie between these ranks."""
DRIFT, MOST_DRIFT = 0.06, 0.5
"""Steps of another minute differ by that part more than what the noise tells, and by what it tells up to a bound.

Chosen on 28 networks on a shared server, where they held 87 % of the steps that were measured before and after; of 37 in
another hour they held 84 % (``benchmarks.step_time``, 2026-12).
"""
FRAMEWORK = "framework"


def seconds_of(ran: Ran) -> dict[str, Seconds]:
    """Seconds of the phases and the step: the medians, and intervals for steps of another minute."""
    steps = ran.series.steps
    noise = ran.series.noise
    wider = 1 + DRIFT + (noise.halves or 0.0) + min(noise.reference or 0.0, MOST_DRIFT)
    values = {phase: [getattr(step, phase) for step in steps] for phase in (*TIMED_PHASES, "step")}
    found = {phase: _interval(each, wider) for phase, each in values.items()}
    step = found["step"]
    middle = sum(found[phase].value for phase in TIMED_PHASES)
    return {**found, "step": Seconds(min(step.low, middle), middle, max(step.high, middle))}


def _interval(seconds: Sequence[float], wider: float) -> Seconds:
    return Seconds(ranked(seconds, LOW) / wider, ranked(seconds, MEDIAN), ranked(seconds, HIGH) * wider)


def scaled_rows(rows: Sequence[PredictedRow], phases: Mapping[str, Seconds]) -> list[PredictedRow]:
    """The rows, those of each phase by the factor that makes their sum the seconds of that phase."""
    found: list[PredictedRow] = []
    for phase in TIMED_PHASES:
        own, whole = [row for row in rows if row.phase == phase], phases[phase].value
        known = sum(row.seconds.value for row in own)
        if known:
            found += [_scaled(row, whole / known) for row in own]
        elif whole:
            causes = dict.fromkeys(CAUSES, 0.0) | {"overhead": whole}
            found.append(PredictedRow("", FRAMEWORK, phase, phases[phase], causes, "overhead"))
    return found


def _scaled(row: PredictedRow, factor: float) -> PredictedRow:
    causes = {cause: seconds * factor for cause, seconds in row.causes.items()}
    share = row.peak_share / factor if row.peak_share is not None and factor else None
    return replace(row, seconds=row.seconds * factor, causes=causes, peak_share=share)
