"""From a table to a network's inputs: columns of numbers, and a complete target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nncost.errors import OptionError, SourceError
from nncost.records import record
from nncost.trainer.tables import Column, Table
from nncost.trainer.tables.csv_text import decimal_comma, shown
from nncost.trainer.tables.table import MISSING_LABELS, Array, names_of
from nncost.units import counted


@record
class Features:
    """The columns that a network reads: their names and their numbers, (rows, columns) in float64."""

    names: tuple[str, ...]
    numbers: Array


def features_of(table: Table, target: str, ignored: Sequence[str]) -> Features:
    """Every column but the target and those left out. Raise SourceError for a cell that is not a finite number."""
    for name in ignored:
        table.column(name)
    if target in ignored:
        raise OptionError(f"the target {target!r} cannot be left out.")
    columns = [column for column in table.columns if column.name != target and column.name not in ignored]
    if not columns:
        raise SourceError(f"{table.path} has no column beside the target {target!r}.")
    _refuse_text(table, columns)
    _refuse_missing(table, columns)
    numbers = np.stack([np.asarray(column.numbers) for column in columns], axis=1)
    _refuse_infinite(table, columns, numbers)
    return Features(tuple(column.name for column in columns), numbers)


def target_of(table: Table, name: str) -> Column:
    """The target's column. Raise SourceError if a row has no target."""
    column = table.column(name)
    missing = column.empties
    if column.numbers is None and column.texts is not None:
        missing = sum(text.strip().lower() in MISSING_LABELS for text in column.texts)
    if missing and column.empty is not None:
        raise SourceError(
            f"{column.empty.place} of {table.path} has no target {name!r}; {missing:,} of {table.rows:,} rows lack it.",
            hint="Remove the rows that have no target.",
        )
    if column.numbers is not None and not np.isfinite(column.numbers).all():
        row = int(np.argmin(np.isfinite(column.numbers))) + 1
        raise SourceError(f"row {row:,} of {table.path}: the target {name!r} is not a finite number.")
    return column


def _refuse_text(table: Table, columns: Sequence[Column]) -> None:
    odd = [column for column in columns if column.odds]
    if not odd:
        return
    first = odd[0]
    assert first.odd is not None
    hint = "Leave columns out with --ignore NAME, or write their values as numbers."
    if decimal_comma(first.odd.text):
        hint = "Write decimals with a point: 1.5"
    if first.odds + first.empties < table.rows:
        raise SourceError(
            f"{first.odd.place} of {table.path}, column {first.name!r}: {shown(first.odd)} is not a number"
            f" ({counted(first.odds, 'such cell')}).",
            hint=hint,
        )
    text = [column.name for column in odd]
    raise SourceError(
        f"{table.path} has {counted(len(text), 'column')} of text: {names_of(text)}; "
        f"column {first.name!r} begins with {shown(first.odd)}.",
        hint=hint,
    )


def _refuse_missing(table: Table, columns: Sequence[Column]) -> None:
    lacking = [column for column in columns if column.empties]
    if not lacking:
        return
    first = min(lacking, key=lambda column: column.empty.row if column.empty else 0)
    assert first.empty is not None
    cells = sum(column.empties for column in lacking)
    raise SourceError(
        f"{first.empty.place} of {table.path}, column {first.name!r}: the value is missing. "
        f"In all {cells:,} missing in {counted(len(lacking), 'column')}: "
        f"{names_of([column.name for column in lacking])}.",
        hint="Fill them in or remove the rows, or leave the columns out with --ignore NAME.",
    )


def _refuse_infinite(table: Table, columns: Sequence[Column], numbers: Array) -> None:
    finite = np.isfinite(numbers)
    if not finite.all():
        row, place = (int(index) for index in np.argwhere(~finite)[0])
        raise SourceError(
            f"row {row + 1:,} of {table.path}, column {columns[place].name!r}: {numbers[row, place]} is not a finite number.",
            hint="Numbers beyond 1.8e308 are infinite.",
        )
