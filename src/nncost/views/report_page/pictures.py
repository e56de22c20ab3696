"""The pictures of a report page, and why one of them is not there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nncost.documents.document import Chart, Note
from nncost.errors import NncostError
from nncost.report import Report
from nncost.timing.devices.catalogue import device_named
from nncost.timing.prediction import Prediction
from nncost.views.charts import chart_of


def pictures(report: Report, prediction: Prediction | None) -> Iterator[Chart | Note]:
    """Yield the drawing of the network, its cost by layer and by module, its memory, and with seconds their causes."""
    yield from _drawn("network", report)
    yield from _drawn("layers", report)
    yield from _drawn("tree", report)
    yield from _drawn("memory", report)
    if prediction is not None:
        yield from _drawn("time", prediction)
        device = str(prediction.device.get("name"))
        if _is_in_catalogue(device):
            yield from _drawn("roofline", report, on=device)


def comparison(reports: Sequence[Report]) -> Iterator[Chart | Note]:
    """Yield the networks side by side, where their sizes are numbers."""
    yield from _drawn("compare", reports)


def _drawn(kind: str, subject: Any, **settings: Any) -> Iterator[Chart | Note]:
    """Yield the chart or, where a size has no number or there is nothing to show, a note that says so."""
    try:
        yield chart_of(kind, subject, **settings)
    except NncostError as error:
        yield Note(f"The picture {kind} is not here: {error.message}")


def _is_in_catalogue(name: str) -> bool:
    try:
        return device_named(name) is not None
    except NncostError:
        return False
