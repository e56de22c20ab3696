"""``measure``: a source's real step beside the predicted one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from nncost.errors import OptionError, SourceError
from nncost.pipeline.report_on import report_on
from nncost.pipeline.settings import Settings
from nncost.records import field, record
from nncost.report import Report
from nncost.shown import Shown, document_of
from nncost.timing import Progress, check_torch
from nncost.timing.devices.fingerprint import available_bytes
from nncost.timing.measure.noise import Noise
from nncost.timing.prediction import Amounts, Prediction, ratios
from nncost.units import bytes_text, counted, one_line, seconds_text

if TYPE_CHECKING:
    from nncost.documents.document import Document

SCHEMA = "nncost.measurement/1"
WARM_UP = 3
FEWEST, MOST = 7, 300
BUDGET_SECONDS = 8.0
"""Steps are repeated for as long, but not fewer and not more often than that."""


@record
class MeasuredRow:
    """One layer in one phase; ``predicted`` is None where nothing was predicted."""

    path: str
    phase: str
    measured: float
    predicted: float | None = None


@record
class Measurement(Shown):
    """Seconds and bytes of a step, as predicted and as measured, and their ratios: what ``nncost.measure`` returns.

    ``measured["seconds"]["step"]`` and ``predicted["memory"]["step_peak"]`` are floats and bytes; ``ratio`` is
    predicted ÷ measured. ``print`` shows what the command prints.

    ``noise`` tells how much the two halves of the steps differ, and how far fixed reference work varied meanwhile.
    ``operations`` are the products that were counted and those that the libraries' own logs say ran. ``device`` is the
    accelerator that the steps ran on, empty for the processor; what each layer takes there is not told.
    """

    source: str
    settings: Mapping[str, Any]
    steps: int
    predicted: Amounts
    measured: Amounts
    rows: Sequence[MeasuredRow]
    operations: Mapping[str, Any] = field(default_factory=dict)
    noise: Noise = Noise(None, None)
    notes: Sequence[str] = ()
    device: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        step = seconds_text(self.measured["seconds"]["step"])
        return f"<Measurement of {one_line(self.source)}: {step} a step, {counted(self.steps, 'step')}>"

    def table(self, *, rows: int = 20) -> Document:
        """Return the measurement as a document, with so many ``rows`` of layers, those that take longest first."""
        return cast("Document", document_of(self, limit=rows))

    @property
    def ratio(self) -> dict[str, dict[str, float]]:
        """Predicted ÷ measured."""
        return ratios(self.predicted, self.measured)

    def to_dict(self) -> dict[str, Any]:
        """Exactly the JSON that ``nncost measure --json`` prints."""
        return {
            "schema": SCHEMA, "source": self.source, "settings": dict(self.settings), "steps": self.steps,
            "predicted": {kind: dict(values) for kind, values in self.predicted.items()},
            "measured": {kind: dict(values) for kind, values in self.measured.items()},
            "ratio": self.ratio, "noise": self.noise.to_dict(), "operations": dict(self.operations),
            "rows": [
                {"path": row.path, "phase": row.phase, "predicted": row.predicted, "measured": row.measured,
                 "ratio": row.predicted / row.measured if row.predicted is not None and row.measured else None}
                for row in self.rows
            ],
            "notes": list(self.notes),
        } | ({"device": dict(self.device)} if self.device else {})  # fmt: skip


def measure(source: Any, settings: Settings, progress: Progress | None = None) -> Measurement:
    """Run the source's real steps on a copy of it, and compare. The caller's random states stay as they are.

    Raise SourceError for a source that cannot run, MissingExtraError without PyTorch.
    """
    check_torch("measuring a step")
    from nncost.frontends.torch.step.state.random_states import random_state_kept

    tell = progress or (lambda what, done, of: None)
    tell("counting", 0, 1)
    with random_state_kept(seed=0):
        report = report_on(source, settings)
        _check_memory(report.memory and report.memory.step_peak, available_bytes(), "this machine")
        prediction, notes = _prediction(source, settings, tell)
        with _PlainErrors(report):
            return _measured(source, settings, report, prediction, notes, tell)


_OUT_OF_MEMORY = re.compile("allocate memory|out of memory")
"""What PyTorch says of the processor's memory and of an accelerator's."""


class _PlainErrors:
    """What a network raises for want of memory is one sentence."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _OUT_OF_MEMORY.search(str(error))):
            raise SourceError(
                f"this machine has not enough memory to run {self._report.source.name[:60]}.",
                hint="A smaller --batch needs less.",
            ) from None


def _check_memory(needed: object, free: int, where: str) -> None:
    """Raise SourceError for a step that needs more memory than there is: the system would end the program."""
    if isinstance(needed, int) and free and needed > free:
        raise SourceError(
            f"a step needs {bytes_text(needed)} of memory; {bytes_text(free)} are free on {where}.",
            hint="A smaller --batch needs less; nncost predict runs nothing.",
        )


def _prediction(source: Any, settings: Settings, tell: Progress) -> tuple[Prediction | None, list[str]]:
    """What is predicted before anything runs; a note where this machine is not calibrated."""
    from nncost.timing.predict_this_machine import predict_here

    try:
        return predict_here(source, settings, tell), []
    except OptionError as error:
        reason = error.message.partition(": ")[2].rstrip(".")
        return None, [f"Times are not predicted, as {reason}."]


def _measured(
    source: Any, settings: Settings, report: Report, prediction: Prediction | None, notes: list[str], tell: Progress
) -> Measurement:
    from nncost.timing.measure.module_memory import module_memory, why_memory_differs
    from nncost.timing.measure.place import place_of
    from nncost.timing.measure.profiler import layer_seconds
    from nncost.timing.measure.series import Limits, run_series
    from nncost.timing.measure.step import MEDIAN, Stepper, at_rank
    from nncost.timing.runnable import subject_of, trained_with

    with subject_of(source, settings, **trained_with(report), real=True) as subject:
        place = place_of(subject.module)
        if not place.is_processor:
            _check_memory(report.memory and report.memory.step_allocated, place.free_bytes(), place.name)
        stepper = Stepper(subject)
        series = run_series(stepper.step, Limits(WARM_UP, FEWEST, MOST, BUDGET_SECONDS), tell)
        whole = at_rank(series.steps, MEDIAN)
        tell("memory", 0, 1)
        peak = place.peak(stepper.step)
        shares = layer_seconds(stepper, whole) if place.is_processor else {}
        operations = _operations(report, stepper) if place.is_processor else {"counted_macs": int(report.step.macs)}
        memory = module_memory(subject, settings, report)
        layers = {key: (subject.layer(key[0]), key[1]) for key in shares}
    seconds = {"forward": whole.forward, "backward": whole.backward, "update": whole.update, "step": whole.step}
    resident = memory.get("step_peak", 0) - memory.get("step_allocated", 0)
    measured: Amounts = {
        "seconds": seconds,
        "memory": {"step_allocated": peak, "step_peak": peak + resident},
    }
    notes = [*notes, *why_memory_differs(report, memory.get("step_peak")), *place.notes(settings.allocator)]
    notes += prediction.notes if prediction is not None else ()
    rows = _rows({layers[key]: value for key, value in shares.items()}, prediction)
    return Measurement(
        report.source.name, report.settings, len(series.steps), _predicted(memory, prediction), measured, rows, operations,
        series.noise, tuple(dict.fromkeys(notes)), place.described(),
    )  # fmt: skip


def _predicted(memory: Mapping[str, int], prediction: Prediction | None) -> dict[str, dict[str, float]]:
    seconds = {} if prediction is None else {n: s.value for n, s in prediction.seconds.items() if n != "run"}
    return {"seconds": seconds, "memory": dict(memory)}


def _rows(measured: Mapping[tuple[str, str], float], prediction: Prediction | None) -> list[MeasuredRow]:
    predicted: dict[tuple[str, str], float] = {}
    for row in prediction.rows if prediction is not None else ():
        predicted[row.path, row.phase] = predicted.get((row.path, row.phase), 0.0) + row.seconds.value
    return [MeasuredRow(path, phase, value, predicted.get((path, phase))) for (path, phase), value in measured.items()]


def _operations(report: Report, stepper: Any) -> dict[str, Any]:
    """Counted products and those in the libraries' logs, where they keep one that can be read."""
    from nncost.timing.measure.library_logs import executed

    counted = int(report.step.macs)
    found = executed(stepper.step)
    if found is None:
        return {"counted_macs": counted}
    result: dict[str, Any] = {"counted_macs": counted, "logged_macs": found.macs, "logged_calls": found.calls}
    return result | ({"unreadable": list(found.unreadable)} if found.unreadable else {})
