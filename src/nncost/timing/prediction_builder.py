"""From predicted rows to a prediction: phases, the run, what share of the peak is reached, memory and energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nncost.dims import is_symbolic
from nncost.errors import SymbolError
from nncost.ir.training.losses import NO_LOSS
from nncost.report import Report
from nncost.timing.prediction import Label, PredictedRow, PredictedRun, Prediction, Seconds
from nncost.timing.row_cost import FLOPS_PER_PRODUCT, Work, check_finite

NOTHING = Seconds(0.0, 0.0, 0.0)
_HALF = 0.5
"""The loss's value belongs to the forward pass and its gradient to the backward pass; they are one row, in halves."""


def prediction_of(
    report: Report,
    rows: Sequence[PredictedRow],
    *,
    label: Label,
    device: Mapping[str, Any],
    peak: float | None = None,
    capacity: int | None = None,
    watts: float | None = None,
    notes: Sequence[str] = (),
    phases: Mapping[str, Seconds] | None = None,
) -> Prediction:
    """Add the rows up. ``peak`` is in flops a second, ``capacity`` in bytes; ``watts`` bound the energy from above.

    ``phases`` are known better than their rows: their intervals, and that of their sum.
    """
    seconds = phase_seconds(rows) | dict(phases or {})
    run = _run(report)
    if run is not None:
        check_finite(run.steps)
        seconds["run"] = seconds["step"] * run.steps
    step = seconds["step"].value
    flops, memory = FLOPS_PER_PRODUCT * int(report.step.macs), memory_of(report, capacity)
    if memory.get("fits") is False:
        notes = (*notes, f"the step does not fit; a count with fits={capacity} says which batch does.")
    return Prediction(
        source=report.source.name, device=device, label=label, settings=report.settings, seconds=seconds, rows=rows,
        memory=memory, run=run,
        mfu=flops / (peak * step) if peak and step and flops else None,
        joules=watts * step if watts is not None else None,
        unknown=report.unknown, notes=(*report.notes, *_notes(report), *notes),
    )  # fmt: skip


def predicted_row(
    works: Sequence[Work], seconds: Seconds, causes: Mapping[str, float], peak: float | None
) -> PredictedRow:
    """Return the row of some operations of one layer and phase; ``peak`` is in flops a second."""
    first, contraction = works[0], sum(work.contraction_flops for work in works)
    share = contraction / (peak * seconds.value) if peak and contraction and seconds.value else None
    flops = contraction + sum(work.other_flops for work in works)
    bound = max(causes, key=lambda cause: causes[cause])
    return PredictedRow(first.path, first.op, first.phase, seconds, causes, bound, flops, share)


def phase_seconds(rows: Sequence[PredictedRow]) -> dict[str, Seconds]:
    """Seconds of forward, backward, update and step; zeros where a phase has none."""
    sums = dict.fromkeys(("forward", "loss", "backward", "update"), NOTHING)
    for row in rows:
        sums[row.phase] = sums[row.phase] + row.seconds
    half = sums.pop("loss") * _HALF
    sums |= {phase: sums[phase] + half for phase in ("forward", "backward")}
    sums["step"] = sums["forward"] + sums["backward"] + sums["update"]
    return sums


def memory_of(report: Report, capacity: int | None) -> dict[str, Any]:
    """Bytes that the step needs beside those there are; empty where neither is known."""
    memory, found = report.memory, dict[str, Any]()
    training = report.settings["loss"] != NO_LOSS
    peak = memory.step_peak if training else memory.forward_peak
    if memory.reserved_peak is not None:
        peak = memory.reserved_peak  # What the device's allocator holds was asked for.
    if isinstance(peak, int):
        found |= {"peak_bytes": peak, "peak_at": memory.step_peak_at if training else "", "exact": memory.exact}
        found["peak_phase"] = memory.step_peak_phase if training else ""
    if capacity is not None:
        found["capacity_bytes"] = capacity
        if isinstance(peak, int):
            found["fits"] = peak <= capacity
    return found


def with_peak(memory: Mapping[str, Any], peak: int) -> dict[str, Any]:
    """The memory of a prediction with another peak, that of the module which runs; where it is reached is not known."""
    known = {} if memory.get("peak_bytes") == peak else {"peak_at": "", "peak_phase": ""}
    capacity = memory.get("capacity_bytes")
    return {**memory, **known, "peak_bytes": peak, **({} if capacity is None else {"fits": peak <= capacity})}


def _run(report: Report) -> PredictedRun | None:
    run = report.run
    if run is None:
        return None
    if any(map(is_symbolic, (run.examples, run.batch, run.steps))):
        raise SymbolError("a run's time needs the number of examples.", hint="For example: --examples 60000")
    assert isinstance(run.examples, int)
    assert isinstance(run.batch, int)
    assert isinstance(run.steps, int)
    return PredictedRun(run.examples, run.epochs, run.batch, run.steps)


def _notes(report: Report) -> list[str]:
    notes = []
    if report.unknown:
        names = ", ".join(sorted({item["op"] for item in report.unknown}))
        notes.append(f"operations that are not known take time that is not in here: {names}.")
    if report.settings["loss"] == NO_LOSS:
        notes.append("forward pass alone: name a loss for a training step, as --loss cross_entropy --optimizer adam.")
    run = report.run
    if run is not None and isinstance(run.batch, int) and isinstance(run.examples, int) and run.examples % run.batch:
        notes.append("the smaller last batch of each epoch is taken for a full one.")
    return notes
