"""How long a step takes on an accelerator of this machine: steps that run there, in the proportions of the catalogue's device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nncost.errors import OptionError
from nncost.pipeline.settings import Settings
from nncost.records import replace
from nncost.timing import Progress
from nncost.timing.accelerator import Accelerator, accelerator_of, free_bytes
from nncost.timing.devices.catalogue import device_called
from nncost.timing.predict import THIS, counted
from nncost.timing.prediction import PredictedRow, Prediction
from nncost.timing.prediction_builder import phase_seconds, prediction_of
from nncost.timing.rehearsal.outcome import NotRun
from nncost.timing.rehearsal.rehearse import Rehearsal
from nncost.timing.rehearsal.shares import scaled_rows, seconds_of
from nncost.timing.roofline import predict_on

_HALF = 0.5
"""The loss's value belongs to the forward pass and its gradient to the backward pass."""


def predict_on_accelerator(
    source: Any, settings: Settings, device: Any, budget: float, progress: Progress | None = None
) -> Prediction:
    """Seconds of whole steps that run on the device where the source's module is, within ``budget`` seconds.

    Layers and causes are those of the catalogue's device of that name, scaled; where it has none, or none of that type,
    the phases are all that is known. Where nothing can run, the catalogue's estimate is all. Raise OptionError where that is
    not known either.
    """
    report, here = counted(source, settings), accelerator_of(device)
    estimate = _estimate(report, here)
    rows = [] if estimate is None else _without_loss(estimate.rows)
    seconds = {(row.path, row.phase): 0.0 for row in rows}
    for row in rows:
        seconds[row.path, row.phase] += row.seconds.value
    ran = Rehearsal(source, settings, report, seconds, budget, progress, free_bytes(device)).whole()
    if isinstance(ran, NotRun):
        if estimate is None:
            raise OptionError(
                f"cannot predict for {here.name}: {ran.reason}, and the catalogue does not know it.",
                hint="Predict for a device of the catalogue:  --on h100   (all: nncost devices)",
            )
        return replace(estimate, how=f"estimated from the catalogue: {ran.reason}")
    phases = seconds_of(ran)
    peak = None if estimate is None else estimate.device["peak_flops_per_second"]
    prediction = prediction_of(
        report, scaled_rows(rows, phases), label=ran.label, phases=phases, peak=peak, capacity=here.memory_bytes,
        device={"name": THIS, "title": here.name, "dtype": report.settings["dtype"], "peak_flops_per_second": peak,
                "method": ran.label, **here.to_dict()},
    )  # fmt: skip
    return replace(
        prediction, how=ran.text, operators_alone=phase_seconds(rows) if rows else {}, noise=ran.series.noise
    )


def _estimate(report: Any, here: Accelerator) -> Prediction | None:
    """What the catalogue says of the device; None where it does not know it or its rate for the type."""
    known = device_called(here.name)
    try:
        return None if known is None else predict_on(report, known)
    except OptionError:
        return None


def _without_loss(rows: Sequence[PredictedRow]) -> list[PredictedRow]:
    """The rows, each of a loss as a half in the forward and a half in the backward pass."""
    found = []
    for row in rows:
        if row.phase != "loss":
            found.append(row)
            continue
        causes = {cause: seconds * _HALF for cause, seconds in row.causes.items()}
        half = replace(row, seconds=row.seconds * _HALF, causes=causes, flops=row.flops // 2)
        found += [replace(half, phase=phase) for phase in ("forward", "backward")]
    return found
