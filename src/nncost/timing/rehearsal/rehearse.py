"""Run a source's real step before it is asked for: whole where that is affordable, some of its equal blocks where it is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nncost.frontends.torch.allocation.recorder import Recording
from nncost.pipeline.settings import Settings
from nncost.records import replace
from nncost.report import Report
from nncost.timing import Progress
from nncost.timing.devices.fingerprint import available_bytes
from nncost.timing.measure.series import Limits, Series, run_series
from nncost.timing.measure.step import Stepper, StepSeconds
from nncost.timing.rehearsal.blocks import Container, containers_of
from nncost.timing.rehearsal.choice import Choice, chosen, seconds_inside
from nncost.timing.rehearsal.outcome import NotRun, Ran
from nncost.timing.rehearsal.sampled_step import SampledStepper
from nncost.timing.rehearsal.surroundings import NotSampledError
from nncost.timing.runnable import subject_of, trained_with
from nncost.units import bytes_text, seconds_text

PART_OF_MEMORY = 0.7
"""Of the memory that is free, what a step may take."""
PARAMETERS_PER_SECOND = 1e8
"""So many random parameters are made per second, at least (measured, 2026-12)."""
SHORT = Limits(warm_up=3, fewest=7, most=300, seconds=1.0)
LONG = Limits(warm_up=1, fewest=2, most=10, seconds=2.5)
_LONG_SECONDS = 0.1
_QUARTER = 0.25
"""Of this part of the blocks and less, one of each group is enough."""
_SHARES = (0.5, _QUARTER, 0.125, 0.0625, 0.0)
"""Parts of the equal blocks that are tried; 0 stands for the fewest that tell."""
_SHOWN = 120
_TIMED = ("forward", "backward")

Times = Mapping[tuple[str, str], float]
"""Seconds by layer and phase, of operators alone."""


class Rehearsal:
    """What is known of a step before it runs: ``seconds`` of its operators by layer and phase, and a budget in seconds.

    ``free`` are the bytes that are free where it runs; None for this machine's.
    """

    def __init__(
        self,
        source: Any,
        settings: Settings,
        report: Report,
        seconds: Times,
        budget: float,
        progress: Progress | None,
        free: int | None = None,
    ) -> None:
        self._free = available_bytes() if free is None else free
        self.source, self.settings, self.report = source, settings, report
        self.seconds, self.budget = seconds, budget
        self._tell: Progress = progress or (lambda what, done, of: None)

    def run(self, module: Any, recording: Recording, *, most_share: float = 1.0) -> Ran | NotRun:
        """Run what is affordable; at most that share of the equal blocks. Nothing that is wrong with the source is raised here."""
        if most_share == 1.0 and self._fits(self._step):
            return self.whole()

        def part() -> Ran | NotRun:
            containers = containers_of(module, recording)
            choice = self._choice(containers, frozenset(recording.trained), most_share)
            return self._no_part(containers) if choice is None else self._sampled(*choice)

        return self._tried(part)

    def whole(self) -> Ran | NotRun:
        """Run whole steps. Nothing that is wrong with the source is raised here."""
        return self._tried(self._rehearsed)

    def _tried(self, run: Callable[[], Ran | NotRun]) -> Ran | NotRun:
        reason = self._why_not()
        if reason:
            return NotRun(reason)
        try:
            return run()
        except NotSampledError as error:
            return NotRun(str(error))
        except Exception as error:  # noqa: BLE001 - a model may raise anything
            text = ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])
            return NotRun(f"the step could not run here ({text[:_SHOWN]})")

    @property
    def _step(self) -> float:
        return sum(self.seconds.values())

    # ---------------------------------------------------------------- what is affordable
    def _why_not(self) -> str:
        if self.budget <= 0:
            return "no time was allowed for steps (budget 0)"
        memory = self.report.memory
        needed = None if memory is None else memory.step_peak if self._trains else memory.forward_peak
        if not isinstance(needed, int):
            return "the memory of a step is not known"
        parameters = self.report.parameters.bytes
        needed += parameters if isinstance(parameters, int) else 0
        free = int(self._free * PART_OF_MEMORY)
        if free and needed > free:
            return f"a step would need {bytes_text(needed)} of memory, {bytes_text(free)} may be taken"
        total = self.report.parameters.total
        if isinstance(total, int) and total / PARAMETERS_PER_SECOND > self.budget:
            return f"its {total:,} parameters alone take too long to make"
        return ""

    @property
    def _trains(self) -> bool:
        return bool(self.report.settings["loss"] != "none")

    def _fits(self, step: float) -> bool:
        limits = _limits(step)
        return (limits.warm_up + limits.fewest) * step <= self.budget

    def _no_part(self, containers: Sequence[Container]) -> NotRun:
        step, budget = seconds_text(self._step), seconds_text(self.budget)
        missing = f"a part of it does not fit into {budget}" if containers else "it has no equal blocks to leave out"
        return NotRun(f"a step takes about {step}, and {missing}")

    def _choice(
        self, containers: Sequence[Container], trained: frozenset[str], most_share: float
    ) -> tuple[Choice, float] | None:
        """The most blocks whose steps fit into the budget, and the seconds of such a step."""
        whole = self._step
        inside = [seconds_inside(self.seconds, container, _TIMED) for container in containers]
        for share in (share for share in (most_share, *_SHARES) if share <= most_share and share < 1):
            picked = [chosen(container, share, 2 if share > _QUARTER else 1) for container in containers]
            kept = [(c, r, s) for c, r, s in zip(containers, picked, inside, strict=True) if r is not None]
            if not kept:
                continue
            left_out = sum(s * (1 - len(r) / sum(map(len, c))) for c, r, s in kept)
            if self._fits(whole - left_out):
                running = frozenset[str]().union(*(r for _, r, _ in kept))
                return Choice([c for c, _, _ in kept], running, trained), whole - left_out
        return None

    # ---------------------------------------------------------------- steps
    def _rehearsed(self) -> Ran | NotRun:
        series = self._series(lambda subject, copied: Stepper(subject, copied=copied).step, self._step)
        return Ran("rehearsed", series) if series.steps else self._too_slow()

    def _sampled(self, choice: Choice, step: float) -> Ran | NotRun:
        series = self._series(lambda subject, copied: SampledStepper(subject, choice, copied=copied).step, step)
        if not series.steps:
            return self._too_slow()
        return Ran("sampled", series, len(choice.running), choice.blocks)

    def _too_slow(self) -> NotRun:
        return NotRun(f"not even one step was over within {seconds_text(self.budget)}")

    def _series(self, stepper: Callable[[Any, bool], Callable[[], StepSeconds]], step: float) -> Series:
        begun = time.perf_counter()
        with subject_of(self.source, self.settings, **trained_with(self.report), real=True) as subject:
            run = stepper(subject, not isinstance(self.source, str))
            left = self.budget - (time.perf_counter() - begun)
            if left < step:
                return Series((), (), self.budget - left)
            return run_series(run, replace(_limits(step), budget=left), self._tell)


def _limits(step: float) -> Limits:
    return SHORT if step * (SHORT.warm_up + SHORT.fewest) < SHORT.seconds or step < _LONG_SECONDS else LONG
