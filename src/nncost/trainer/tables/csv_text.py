"""CSV: delimiter, header, quotes and byte-order mark recognised; every fault named by row, line and column.

One reader with Python's own ``csv`` in chunks of rows: a number is read as Python reads it, and a cell that
is none is found with its line, which a faster parser's error does not tell.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import IO

import numpy as np

from nncost.errors import SourceError
from nncost.trainer.tables.table import MISSING, Array, Cell, Column, Table, names_of, shortened
from nncost.units import counted

DELIMITERS = (",", ";", "\t", "|")
MAX_LINE = 4_000_000
"""Characters of a line: a hundred thousand columns of forty characters."""
MAX_COLUMNS = 100_000
_CHUNK_CELLS = 500_000
_SNIFFED_LINES = 20
_DIGITS = 9
_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


@dataclass(slots=True)
class _Gathered:
    """What is known of one column so far."""

    parts: list[Array] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    odd: Cell | None = None
    odds: int = 0
    empty: Cell | None = None
    empties: int = 0


def read(path: str, target: str | None) -> Table:
    """The columns of a CSV file. Raise SourceError with the line for anything that is no table."""
    try:
        with open(path, encoding=_encoding(path), newline="") as file:  # noqa: PTH123
            return _read(path, file, target)
    except UnicodeError as error:
        place = f" (byte {error.start:,})" if isinstance(error, UnicodeDecodeError) else ""
        raise SourceError(
            f"{path} is not UTF-8 text{place}.", hint="Save it as UTF-8, or give a Parquet or NPZ file."
        ) from None


def _encoding(path: str) -> str:
    with open(path, "rb") as file:  # noqa: PTH123
        return _BYTE_ORDER_MARKS.get(file.read(2), "utf-8-sig")


def _read(path: str, file: IO[str], target: str | None) -> Table:
    delimiter = _delimiter(path, file)
    file.seek(0)
    rows = _rows(path, file, delimiter)
    _, first = next(rows, (0, []))
    if not first:
        raise SourceError(f"{path} has no line with text.")
    if len(first) > MAX_COLUMNS:
        raise SourceError(f"{path} has {len(first):,} columns; at most {MAX_COLUMNS:,} are read.")
    has_header = _is_header(first, target)
    names = [name.strip() for name in first] if has_header else [str(number) for number in range(len(first))]
    _check_names(path, names)
    gathered = [_Gathered() for _ in names]
    count = 0
    pending: Iterator[tuple[int, list[str]]] = rows if has_header else _with_first(path, file, delimiter)
    while chunk := list(islice(pending, max(1, _CHUNK_CELLS // len(names)))):
        _check_widths(path, chunk, len(names))
        lines = [line for line, _ in chunk]
        for name, column, cells in zip(names, gathered, zip(*(row for _, row in chunk), strict=True), strict=True):
            _gather(column, cells, lines, count, keep=name == target)
        count += len(chunk)
    columns = tuple(_column(name, column) for name, column in zip(names, gathered, strict=True))
    return Table(path, columns, count)


def _with_first(path: str, file: IO[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    file.seek(0)
    return _rows(path, file, delimiter)


# ------------------------------------------------------------------- lines and rows
def _lines(path: str, file: IO[str]) -> Iterator[str]:
    number = 0
    while line := file.readline(MAX_LINE):
        number += 1
        if len(line) >= MAX_LINE and not line.endswith(("\n", "\r")):
            raise SourceError(f"line {number:,} of {path} is longer than {MAX_LINE:,} characters.")
        if "\0" in line:
            raise SourceError(f"line {number:,} of {path} holds a zero byte: it is no text.")
        yield line


def _rows(path: str, file: IO[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line each ends on; empty lines are left out."""
    reader = csv.reader(_lines(path, file), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if row and (len(row) > 1 or row[0].strip()):
                yield reader.line_num, row
    except csv.Error as error:
        what = "a quote is opened and never closed" if "end of data" in str(error) else str(error)
        raise SourceError(f"line {reader.line_num:,} of {path} cannot be read as CSV: {what}.") from None


def _delimiter(path: str, file: IO[str]) -> str:
    """The one that splits the first lines into most cells, equally many in each."""
    sample = list(islice(_lines(path, file), _SNIFFED_LINES))
    best, widest = ",", 1
    for delimiter in DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(sample, delimiter=delimiter) if row]
        except csv.Error:
            continue
        common = sum(width == widths[0] for width in widths) if widths else 0
        if widths and widths[0] > widest and 2 * common > len(widths):
            best, widest = delimiter, widths[0]
    return best


def _is_header(first: Sequence[str], target: str | None) -> bool:
    """Whether the first row holds names: one is the target's, or none of its cells is a number.

    A target such as ``2`` is the number of a column where there are as many, else a name.
    """
    cells = [cell.strip() for cell in first]
    is_number_of_column = target is not None and target.isdecimal() and int(target[:_DIGITS]) < len(cells)
    if target in cells and not is_number_of_column:
        return True
    return not any(_NUMBER.fullmatch(cell) for cell in cells)


def _check_names(path: str, names: Sequence[str]) -> None:
    repeated = [name for number, name in enumerate(names) if name in set(names[:number])] if _repeats(names) else []
    if repeated:
        raise SourceError(
            f"{path} has more than one column called {names_of(list(dict.fromkeys(repeated)))}.",
            hint="Give each column a name of its own in the first line.",
        )


def _repeats(names: Sequence[str]) -> bool:
    return len(set(names)) != len(names)


def _check_widths(path: str, chunk: Sequence[tuple[int, list[str]]], width: int) -> None:
    for line, row in chunk:
        if len(row) != width:
            raise SourceError(
                f"line {line:,} of {path} has {counted(len(row), 'cell')}, the first line has {width:,}.",
                hint="Is the file cut off, or does a text hold the delimiter without quotes?",
            )


# ------------------------------------------------------------------- cells
def _gather(column: _Gathered, cells: Sequence[str], lines: Sequence[int], before: int, *, keep: bool) -> None:
    if keep:
        column.texts.extend(cells)
    try:
        numbers = np.asarray(cells).astype(np.float64)
        if not np.isnan(numbers).any():
            column.parts.append(numbers)
            return
    except ValueError:
        pass
    column.parts.append(np.array([_number(column, cell, before + i + 1, lines[i]) for i, cell in enumerate(cells)]))


def _number(column: _Gathered, text: str, row: int, line: int) -> float:
    """One cell; NaN where it is none, which is noted."""
    stripped = text.strip()
    try:
        number = float(stripped)
    except ValueError:
        number = float("nan")
    if number == number:  # NaN differs from itself.
        return number
    if stripped.lower() in MISSING:
        column.empties += 1
        column.empty = column.empty or Cell(row, text, line)
    else:
        column.odds += 1
        column.odd = column.odd or Cell(row, text, line)
    return number


def _column(name: str, column: _Gathered) -> Column:
    numbers = np.concatenate(column.parts) if column.parts else np.empty(0)
    return Column(
        name, None if column.odds else numbers, column.texts or None,
        column.odd, column.odds, column.empty, column.empties,
    )  # fmt: skip


def decimal_comma(text: str) -> bool:
    """Whether a cell looks like a number written with a comma."""
    return _DECIMAL_COMMA.fullmatch(text.strip()) is not None


def shown(cell: Cell) -> str:
    """A cell's text for a message."""
    return repr(shortened(cell.text))
