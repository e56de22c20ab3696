"""A measurement as a document: predicted · measured · ratio."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from nncost.documents.document import NONE, Block, Cell, Document, Facts, Note, Number, Section, Shell, Table
from nncost.timing.measure.measure import MeasuredRow, Measurement
from nncost.timing.prediction import TIMED_PHASES
from nncost.units import counted, exact
from nncost.views import MAX_ROWS, shortened
from nncost.views.cells import ratio, seconds, size

_COLUMNS = ("predicted", "measured", "ratio")


def measure_document(measurement: Measurement, *, limit: int = MAX_ROWS) -> Document:
    """Return the measurement with the ``limit`` layers that take longest."""
    settings = measurement.settings
    title = (
        f"{shortened(measurement.source)}, batch {settings['batch']}, {settings['loss']}, {settings['optimizer']}: "
        f"{counted(measurement.steps, 'step')}"
    )
    layers = _layers(measurement.rows, limit)
    blocks: list[Block] = [_phases(measurement), layers, Facts(tuple(_facts(measurement)))]
    blocks += [Note(f"Note: {note}") for note in measurement.notes]
    blocks += [] if measurement.predicted["seconds"] else [Shell("Next:", ("nncost", "calibrate"))]
    return Document(title, (Section("", tuple(blocks)),), main=layers)


def _phases(measurement: Measurement) -> Table:
    predicted, measured = measurement.predicted, measurement.measured
    rows = [
        _row(phase, predicted["seconds"].get(phase), measured["seconds"][phase], seconds)
        for phase in (*TIMED_PHASES, "step")
        if measured["seconds"].get(phase)
    ]
    for name, words in (("step_peak", "memory at the peak"), ("step_allocated", "… taken by the step")):
        rows.append(_row(words, predicted["memory"].get(name), measured["memory"][name], size))
    return Table(("", *_COLUMNS), tuple(rows))


def _row(name: str, predicted: float | None, measured: float, cell: Callable[[float], Number]) -> tuple[Cell, ...]:
    if predicted is None:
        return name, NONE, cell(measured), NONE
    return name, cell(predicted), cell(measured), ratio(predicted / measured) if measured else NONE


def _layers(rows: Sequence[MeasuredRow], limit: int) -> Table:
    longest = sorted(rows, key=lambda row: -row.measured)[:limit]
    lines = (
        _row(f"{row.path or 'outside layers'} {row.phase}", row.predicted, row.measured, seconds) for row in longest
    )
    return Table(("layer", *_COLUMNS), tuple(lines))


def _facts(measurement: Measurement) -> Iterator[tuple[str, str]]:
    operations, device = measurement.operations, measurement.device
    if device:
        driver = f", driver {device['driver']}" if device["driver"] else ""
        yield "device", f"{device['accelerator']}, capability {device['capability']}{driver}"
    if "logged_macs" in operations:
        text = (
            f"{counted(operations['counted_macs'], 'product')} counted, {exact(operations['logged_macs'])} "
            f"in the logs of oneDNN and MKL ({counted(operations['logged_calls'], 'call')})"
        )
        if operations.get("unreadable"):
            text += f", without those of {', '.join(operations['unreadable'])}, whose calls say no sizes"
        yield "executed", text
    yield "noise", measurement.noise.text
