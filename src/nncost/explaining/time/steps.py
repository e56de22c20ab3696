"""The seconds of a step: predicted, and measured where that is quick."""

from __future__ import annotations

import time

from nncost.errors import NncostError
from nncost.explaining.context import Context
from nncost.explaining.time.here import RUNS, Measured, is_small, measured_step
from nncost.explaining.time.saying import said
from nncost.records import record, replace
from nncost.report import Report
from nncost.timing.devices.profile_store import this_profile
from nncost.timing.prediction import Prediction

SPEC = "spec"
BATCHES = (1, 8, 32, 128)
REHEARSAL_SECONDS = 4.0
"""Steps of a module or a file run for so long while they are predicted."""
OPERATOR_SECONDS = 20.0
"""Operators that were never timed are timed for so long at most."""
_PATIENCE = 2.0
"""Seconds that steps of another batch than the one that was asked for may take."""


@record
class Step:
    """The seconds of a step on this machine, as predicted and as measured; None for what is not known.

    ``ran`` are those of steps that ran while remedies were tried.
    """

    prediction: Prediction | None
    measured: Measured | None
    ran: float | None = None

    @property
    def seconds(self) -> float | None:
        """The measured seconds, or else the predicted ones."""
        if self.measured is not None:
            return self.measured.seconds
        return self.ran if self.prediction is None else self.prediction.seconds["step"].value


def whole(amount: object) -> int:
    """An amount that is a number by now."""
    assert isinstance(amount, int)
    return amount


def batch_of(report: Report) -> int:
    """The examples of a step."""
    return whole(report.settings["batch"])


def batches_to_try(context: Context, operations: int) -> list[int]:
    """Batches whose steps run while a reader waits: none for a module or for several micro-batches per step."""
    report, memory = context.report, context.report.memory
    sizes = (memory.step_peak, memory.parameters, memory.gradients, memory.optimizer_state)
    if (
        report.source.kind != SPEC
        or context.settings.accumulate != 1
        or not all(isinstance(size, int) for size in sizes)
    ):
        return []
    peak, *kept = map(whole, sizes)
    growing, batch = max(0, peak - sum(kept)), batch_of(report)
    return [n for n in {batch, *BATCHES} if is_small(operations * n // batch, sum(kept) + growing * n // batch)]


def steps_of(context: Context, tried: list[int]) -> dict[int, Step]:
    """The batch that was asked for and some others, the smaller ones first, as long as a reader waits."""
    asked, steps, per_example = batch_of(context.report), dict[int, Step](), 0.0
    for batch in sorted({asked, *tried}, key=lambda batch: (batch != asked, batch)):
        if batch != asked and per_example * batch * RUNS > _PATIENCE:
            continue
        steps[batch] = _step(context, batch, measure=batch in tried)
        measured = steps[batch].measured
        per_example = measured.seconds / batch if measured is not None else per_example
    return dict(sorted(steps.items()))


def _step(context: Context, batch: int, *, measure: bool) -> Step:
    prediction = None
    if this_profile() is not None and (measure or batch == batch_of(context.report)):
        prediction = _prediction(context, batch, budget=0.0 if measure else REHEARSAL_SECONDS)
    try:
        measured = measured_step(context.source, context.settings, batch) if measure else None
    except NncostError:
        measured = None  # What cannot run is only predicted.
    return Step(prediction, measured)


def _prediction(context: Context, batch: int, budget: float) -> Prediction:
    """By operators alone where steps are measured as well: then the two say something of each other.

    Operators that take too long to be timed now are left: the profile's own rates must do.
    """
    from nncost.timing.deadline import OutOfTimeError, until
    from nncost.timing.predict import predict_this
    from nncost.timing.predict_this_machine import predict_here

    settings = replace(context.settings, examples=None, epochs=1)
    if batch != batch_of(context.report):
        settings = replace(settings, load=replace(settings.load, batch=batch))
    try:
        return predict_here(context.source, settings, until(time.perf_counter() + OPERATOR_SECONDS, said), budget)
    except OutOfTimeError:
        return predict_this(context.source, settings)
