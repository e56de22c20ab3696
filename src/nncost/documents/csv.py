"""The main table of a document as comma-separated values, with every digit."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from io import StringIO

from nncost.dims import is_symbolic, tidy
from nncost.documents.document import Cell, Document, Maths, Number
from nncost.errors import OptionError


def render(document: Document, width: int | None = None) -> str:
    """Return the rows without their total. Raise OptionError if the document has no main table."""
    if document.main is None:
        raise OptionError("there is no table here that CSV could hold.", hint="--json holds all numbers.")
    return csv_text(document.main.titles, document.main.rows)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return a header and rows as comma-separated values: integers without separators, numbers in their base unit."""
    written = StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_value(cell) for cell in row] for row in rows)
    return written.getvalue()


def _value(cell: Cell) -> object:
    if isinstance(cell, (str, Maths)):
        return cell if isinstance(cell, str) else cell.text
    if isinstance(cell, Number):
        return cell.value
    return str(tidy(cell)) if is_symbolic(cell) else cell
