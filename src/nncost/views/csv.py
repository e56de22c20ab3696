"""One line for each layer, operation and phase, with every digit."""

from __future__ import annotations

import csv
from io import StringIO

from nncost.counting.quantities import ALL
from nncost.report import Report, plain

_FIRST = ("path", "op", "phase", "times", "parameters", "weights", "biases", "other")


def csv_text(report: Report) -> str:
    """The rows as comma-separated values; quantities that no row has are left out."""
    quantities = [name for name in ALL if any(name in row.counts for row in report.rows)]
    sheet = StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow([*_FIRST, *quantities])
    for row in report.rows:
        first = [plain(getattr(row, name)) for name in _FIRST]
        writer.writerow([*first, *(plain(row.counts.get(name, 0)) for name in quantities)])
    return sheet.getvalue()
