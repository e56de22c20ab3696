"""Two ways to do the same, run in turns: what else the machine does meanwhile slows both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from nncost.records import record, replace
from nncost.timing.measure.step import Stepper, copy_of
from nncost.timing.runnable import Subject, subject_of, trained_with
from nncost.timing.what_helps.trial import Case, Part, Variant

Seconds = Callable[[], float]
"""Runs something once; its seconds."""
FEWEST_ROUNDS, MOST_ROUNDS = 2, 25
WARM_UP, LONG_SECONDS = 2, 0.1
"""A run that takes longer is warm after one."""
ROUND_SECONDS = 0.03
"""One side's turn lasts at least so long: the caches are its own again behind the other's."""


def fewest_runs(seconds: float) -> int:
    """How often something that takes so long runs at least, on both sides together."""
    return 2 * ((1 if seconds > LONG_SECONDS else WARM_UP) + FEWEST_ROUNDS)


@record
class Outcome:
    """How many times faster the other way is, round by round: the median, and how far the middle half differs."""

    gain: float
    scatter: float


def race(usual: Seconds, other: Seconds, seconds: float) -> Outcome:
    """Run both in turns for as many seconds, but at least some rounds."""
    begun, gains = time.perf_counter(), list[float]()
    turn = max(1, int(ROUND_SECONDS / max(_warm(usual), _warm(other), 1e-9)))
    while len(gains) < FEWEST_ROUNDS or (len(gains) < MOST_ROUNDS and time.perf_counter() - begun < seconds):
        gains.append(_turn(usual, turn) / _turn(other, turn))
    return _outcome(gains)


def _warm(run: Seconds) -> float:
    """Runs that do not count; the seconds of the last one."""
    seconds = run()
    for _ in range(WARM_UP - 1):
        seconds = run() if seconds <= LONG_SECONDS else seconds
    return seconds


def _turn(run: Seconds, times: int) -> float:
    """The median of some runs; never nothing, which no clock tells from very little."""
    return max(1e-9, statistics.median(run() for _ in range(times)))


def _outcome(gains: list[float]) -> Outcome:
    ordered = sorted(gains)
    quarter = len(ordered) // 4
    middle = statistics.median(ordered)
    return Outcome(middle, (ordered[-1 - quarter] - ordered[quarter]) / middle)


@contextmanager
def steps_of(case: Case, variant: Variant) -> Iterator[Seconds]:
    """The steps of a variant, on a copy of the module; what it sets holds while a step runs and no longer."""
    with _subject_of(case, variant) as subject:
        stepper = Stepper(
            replace(subject, given=variant.given(subject.given)), module=variant.module(copy_of(subject.module))
        )
        if stepper.optimizer is not None:
            variant.tuned(stepper.optimizer)

        def seconds() -> float:
            with variant.around():
                return stepper.step().step

        yield seconds


def _subject_of(case: Case, variant: Variant) -> AbstractContextManager[Subject]:
    if variant.batch is None:
        return nullcontext(case.subject)
    settings = replace(case.settings, load=replace(case.settings.load, batch=variant.batch))
    return subject_of(case.source, settings, **trained_with(case.report), real=True)


def timed(run: Callable[[], object]) -> Seconds:
    """Something as its seconds."""

    def seconds() -> float:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    return seconds


def race_parts(part: Part, usual_step: float, seconds: float) -> Outcome:
    """Run operators alone, both ways, and put what they save into a step."""
    now = timed(part.now)
    outcome = race(now, timed(part.then), seconds)
    before = min(part.times * _turn(now, FEWEST_ROUNDS + 1), usual_step)
    after = usual_step - before + before / outcome.gain
    return Outcome(usual_step / after, outcome.scatter * before / usual_step)
