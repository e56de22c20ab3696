"""The pictures of a report page: those that its numbers suffice for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nncost.documents.document import Chart
from nncost.errors import NncostError
from nncost.report import Report
from nncost.timing.devices.catalogue import device_named
from nncost.timing.prediction import Prediction
from nncost.views.charts import chart_of


def pictures(report: Report, prediction: Prediction | None) -> Iterator[Chart]:
    """Yield the drawing of the network, its cost by layer and by module, its memory, and with seconds their causes."""
    yield from _if_numbers("network", report)
    yield from _if_numbers("layers", report)
    yield from _if_numbers("tree", report)
    yield from _if_numbers("memory", report)
    if prediction is not None:
        yield from _if_numbers("time", prediction)
        device = str(prediction.device.get("name"))
        if _is_in_catalogue(device):
            yield from _if_numbers("roofline", report, on=device)


def comparison(reports: Sequence[Report]) -> Iterator[Chart]:
    """Yield the networks side by side, where their sizes are numbers."""
    yield from _if_numbers("compare", reports)


def _if_numbers(kind: str, subject: Any, **settings: Any) -> Iterator[Chart]:
    """Yield the chart, or nothing where a size has no number or there is nothing to show: the tables say so."""
    try:
        yield chart_of(kind, subject, **settings)
    except NncostError:
        return


def _is_in_catalogue(name: str) -> bool:
    try:
        return device_named(name) is not None
    except NncostError:
        return False
