"""The main table of a document as comma-separated values, with every digit."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from io import StringIO

from nncost.dims import is_symbolic, tidy
from nncost.documents.document import NONE, Cell, Chart, Document, Maths, Number, Table
from nncost.errors import OptionError
from nncost.names import printable


def render(document: Document, width: int | None = None, encoding: str | None = None) -> str:
    """Return the main table, or else the first one, without its total. Raise OptionError if there is no table."""
    blocks = (block for section in document.sections for block in section.blocks)
    tables = (block.table if isinstance(block, Chart) else block for block in blocks)
    table = document.main or next((block for block in tables if isinstance(block, Table)), None)
    if table is None:
        raise OptionError("there is no table here that CSV could hold.", hint="--json holds all numbers.")
    first, *others = table.titles
    return csv_text((first or "name", *others), table.rows)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return a header and rows as comma-separated values: integers without separators, numbers in their base unit."""
    written = StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_value(cell) for cell in row] for row in rows)
    return written.getvalue()


def _value(cell: Cell) -> object:
    if isinstance(cell, (str, Maths)):
        text = printable(cell if isinstance(cell, str) else cell.text)
        return "" if text == NONE else text
    if isinstance(cell, Number):
        return cell.value
    return str(tidy(cell)) if is_symbolic(cell) else cell
