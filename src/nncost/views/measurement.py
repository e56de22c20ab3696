"""A measurement as text: predicted · measured · ratio."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nncost.timing.measure.measure import MeasuredRow, Measurement
from nncost.timing.prediction import TIMED_PHASES
from nncost.units import bytes_text, exact, seconds_text
from nncost.views.prediction import PredictionTable, aligned, wrapped

_MARGIN = 10
_PERCENT = 100
_NAME = 36


def plain(measurement: Measurement, *, limit: int) -> str:
    """The measurement as text of at most 80 columns, with the ``limit`` layers that take longest."""
    parts = [
        _title(measurement),
        "",
        *aligned(_phases(measurement)),
        "",
        *aligned(_layers(measurement.rows, limit)),
        "",
    ]
    for name, text in _facts(measurement):
        parts += wrapped(name, text, _MARGIN)
    for note in measurement.notes:
        parts += wrapped("note", note, _MARGIN)
    return "\n".join(line.rstrip() for line in parts)


def _title(measurement: Measurement) -> str:
    settings = measurement.settings
    return (
        f"{measurement.source[:50]}, batch {settings['batch']}, {settings['loss']}, {settings['optimizer']}: "
        f"{measurement.steps} steps"
    )


def _phases(measurement: Measurement) -> PredictionTable:
    predicted, measured = measurement.predicted, measurement.measured
    rows = [
        _cells(phase, predicted["seconds"].get(phase), measured["seconds"][phase], seconds_text)
        for phase in (*TIMED_PHASES, "step")
        if measured["seconds"].get(phase)
    ]
    for name, words in (("step_peak", "memory at the peak"), ("step_allocated", "… taken by the step")):
        rows.append(_cells(words, predicted["memory"].get(name), measured["memory"][name], bytes_text))
    return PredictionTable(("", "predicted", "measured", "ratio"), rows)


def _cells(name: str, predicted: float | None, measured: float, text: object) -> Sequence[str]:
    assert callable(text)
    if predicted is None:
        return name, "–", text(measured), "–"
    return name, text(predicted), text(measured), f"{predicted / measured:.2f}" if measured else "–"


def _layers(rows: Sequence[MeasuredRow], limit: int) -> PredictionTable:
    longest = sorted(rows, key=lambda row: -row.measured)[:limit]
    cells = [
        _cells(f"{_shortened(row.path or 'outside layers')} {row.phase}", row.predicted, row.measured, seconds_text)
        for row in longest
    ]
    return PredictionTable(("layer", "predicted", "measured", "ratio"), cells)


def _shortened(path: str) -> str:
    return path if len(path) <= _NAME else f"…{path[1 - _NAME :]}"


def _facts(measurement: Measurement) -> Iterator[tuple[str, str]]:
    operations = measurement.operations
    if "logged_macs" in operations:
        text = (
            f"{exact(operations['counted_macs'])} products counted, {exact(operations['logged_macs'])} "
            f"in the logs of oneDNN and MKL ({operations['logged_calls']} calls)"
        )
        if operations.get("unreadable"):
            text += f", without those of {', '.join(operations['unreadable'])}, whose calls say no sizes"
        yield "executed", text
    yield (
        "noise",
        f"the two halves of the steps differ by {_PERCENT * measurement.noise:.1f} %, fixed reference work by {_PERCENT * measurement.drift:.1f} %",
    )
