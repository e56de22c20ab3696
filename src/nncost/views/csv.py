"""The rows of a report as comma-separated values: one per layer, operation and phase, with every digit."""

from __future__ import annotations

from nncost.counting.quantities import ALL
from nncost.documents.csv import csv_text
from nncost.report import Report

_FIRST = ("path", "op", "phase", "times", "parameters", "weights", "biases", "other")


def report_csv(report: Report) -> str:
    """Return the rows; quantities that no row has are left out."""
    quantities = [name for name in ALL if any(name in row.counts for row in report.rows)]
    rows = (
        [*(getattr(row, name) for name in _FIRST), *(row.counts.get(name, 0) for name in quantities)]
        for row in report.rows
    )
    return csv_text([*_FIRST, *quantities], rows)
