"""Try what may help, within a number of seconds: run where steps are short, predicted where they are long."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from nncost.errors import NncostError
from nncost.frontends.torch.step.state.random_states import random_state_kept
from nncost.pipeline.settings import Settings
from nncost.records import field, record, replace
from nncost.report import Report
from nncost.timing import Progress
from nncost.timing.accelerator import CUDA, device_of
from nncost.timing.deadline import OutOfTimeError
from nncost.timing.devices.fingerprint import available_bytes
from nncost.timing.measure.noise import Noise
from nncost.timing.measure.profiler import layer_seconds
from nncost.timing.measure.series import Limits, run_series
from nncost.timing.measure.step import MEDIAN, Stepper, StepSeconds, at_rank
from nncost.timing.prediction import TIMED_PHASES, Prediction
from nncost.timing.rehearsal.rehearse import PARAMETERS_PER_SECOND
from nncost.timing.runnable import subject_of, trained_with
from nncost.timing.what_helps.predicted import WIDE, predicted_gain
from nncost.timing.what_helps.race import fewest_runs, race, race_parts, steps_of
from nncost.timing.what_helps.remedies import REMEDIES, Remedy
from nncost.timing.what_helps.trial import PART_OF_MEMORY, Attempt, Case, Part, Tried, Variant

SECONDS = 12.0
"""For all that is tried."""
_EACH = 1.2
"""For one race at most, where its steps are short."""
_USUAL = Limits(warm_up=2, fewest=3, most=100, seconds=0.7, budget=5.0)
"""Of the steps as they are, before anything else is tried."""
_CANNOT = (NncostError, RuntimeError, ValueError, TypeError, AttributeError, NotImplementedError, IndexError)
"""What a network raises that cannot run in another way; a mode that is not there raises one of them, too."""
_SILENT: Progress = lambda what, done, of: None  # noqa: E731


@record
class Known:
    """What is known before: the report, about how long a step takes, and its prediction where there is one."""

    report: Report
    expected: float
    prediction: Prediction | None = None


@record
class Found:
    """What was tried, the best first, and what there was no time for.

    ``usual`` is the step as it ran here, with the ``noise`` meanwhile; None where nothing ran. ``layers`` are its seconds by
    layer, forward and backward together, where nothing else tells them.
    """

    usual: StepSeconds | None
    noise: Noise | None
    tried: tuple[Tried, ...]
    left: tuple[Attempt, ...] = ()
    layers: Mapping[str, float] = field(default_factory=dict)


def try_out(
    source: Any, settings: Settings, known: Known, remedies: Sequence[Remedy] = REMEDIES, tell: Progress = _SILENT
) -> Found | None:
    """Try every remedy that applies, on copies; None if nothing can be tried here. Random states stay as they are."""
    end = time.perf_counter() + SECONDS
    runs = _has_room(known.report) and known.expected * (_USUAL.warm_up + _USUAL.fewest) < _USUAL.budget
    if not runs and known.prediction is None:
        return None
    chosen = replace(settings, examples=None, epochs=1)
    trained = trained_with(known.report)
    try:
        with random_state_kept(seed=0), _unwarned(), subject_of(source, chosen, **trained, real=runs) as subject:
            if device_of(subject.module).type == CUDA:
                return None  # its remedies are others
            phases = {} if known.prediction is None else known.prediction.seconds
            usual = StepSeconds(*(phases[phase].value if phases else 0.0 for phase in TIMED_PHASES))
            attempts = _Attempts(Case(source, chosen, known.report, subject, usual), known.prediction, end, tell)
            return attempts.measured(remedies) if runs else attempts.predicted(remedies)
    except _CANNOT:
        return None  # what cannot run is only predicted


@contextmanager
def _unwarned() -> Iterator[None]:
    """Without what a framework has to say of numbers and modes that it does not like."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _has_room(report: Report) -> bool:
    """Whether the network can be made, and two of its steps held at once."""
    total, memory = report.parameters.total, report.memory
    peak = None if memory is None else memory.step_peak
    if not isinstance(peak, int) or not isinstance(total, int):
        return False
    return peak <= available_bytes() * PART_OF_MEMORY and total / PARAMETERS_PER_SECOND <= SECONDS / 4


class _Attempts:
    """Attempts one after the other, until the moment ``end``."""

    def __init__(self, case: Case, prediction: Prediction | None, end: float, tell: Progress) -> None:
        self._case, self._prediction, self._end, self._tell = case, prediction, end, tell
        self._tried: list[Tried] = []
        self._left: list[Attempt] = []

    def measured(self, remedies: Sequence[Remedy]) -> Found | None:
        """Run the step as it is, and each attempt in turns with it."""
        stepper = Stepper(self._case.subject)
        series = run_series(stepper.step, _USUAL, self._tell)
        if not series.steps:
            return None
        self._case = replace(self._case, usual=at_rank(series.steps, MEDIAN))
        layers = self._layers(stepper) if self._prediction is None else {}
        for attempt, room in self._each(remedies):
            each = self._seconds_of(attempt)
            if fewest_runs(each) * each > self._end - time.perf_counter():
                self._left.append(attempt)
            else:
                self._try(attempt, min(_EACH, room))
        return replace(self._found(self._case.usual, series.noise), layers=layers)

    def _layers(self, stepper: Stepper) -> dict[str, float]:
        """Seconds by layer of the source; what belongs to none is left out."""
        layers: dict[str, float] = {}
        for (path, _), seconds in layer_seconds(stepper, self._case.usual).items():
            if path:
                name = self._case.subject.layer(path)
                layers[name] = layers.get(name, 0.0) + seconds
        return layers

    def predicted(self, remedies: Sequence[Remedy]) -> Found:
        """Predict each attempt that a prediction can tell of."""
        for attempt, _ in self._each(remedies):
            if isinstance(attempt.trial, Part):
                self._try(attempt, _EACH)
            elif not attempt.trial.measured:
                self._predict(attempt, attempt.trial)
        return self._found(None, None)

    def _each(self, remedies: Sequence[Remedy]) -> Iterator[tuple[Attempt, float]]:
        """Each attempt and the seconds there are for it."""
        attempts = [attempt for remedy in remedies for attempt in _of(remedy, self._case)]
        for done, attempt in enumerate(attempts):
            self._tell(f"trying {attempt.what}", done, len(attempts))
            yield attempt, (self._end - time.perf_counter()) / (len(attempts) - done)

    def _seconds_of(self, attempt: Attempt) -> float:
        """What one run takes on average, if the attempt helps nothing."""
        examples = attempt.trial.examples if isinstance(attempt.trial, Variant) else 1
        return self._case.usual.step * (1 + examples) / 2

    def _try(self, attempt: Attempt, seconds: float) -> None:
        try:
            self._tried.append(_outcome(self._case, attempt, seconds))
        except _CANNOT:
            return  # what cannot be tried is left out

    def _predict(self, attempt: Attempt, variant: Variant) -> None:
        assert self._prediction is not None
        try:
            gain = predicted_gain(self._case, variant, self._prediction, self._end)
        except OutOfTimeError:
            self._left.append(attempt)
        except _CANNOT:
            return
        else:
            self._tried.append(Tried(attempt, gain, WIDE, "predicted"))

    def _found(self, usual: StepSeconds | None, noise: Noise | None) -> Found:
        return Found(usual, noise, tuple(sorted(self._tried, key=lambda each: -each.gain)), tuple(self._left))


def _of(remedy: Remedy, case: Case) -> list[Attempt]:
    try:
        return list(remedy(case))
    except _CANNOT:
        return []


def _outcome(case: Case, attempt: Attempt, seconds: float) -> Tried:
    trial = attempt.trial
    if isinstance(trial, Part):
        outcome = race_parts(trial, case.usual.step, seconds)
        return Tried(attempt, outcome.gain, outcome.scatter, "predicted")
    with steps_of(case, Variant()) as usual, steps_of(case, trial) as other:
        outcome = race(usual, other, seconds)
    return Tried(attempt, outcome.gain * trial.examples, outcome.scatter, "measured")
