"""A table's columns and what is wrong with their cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nncost.errors import Instead, SourceError
from nncost.names import nearest, printable
from nncost.records import record

Array = Any
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})
"""Cells that stand for no value, in lower case."""
MISSING_LABELS = frozenset({"", "na", "n/a", "nan", "null"})
"""The same among labels, where a class may well be called ``none``."""
SHOWN_NAMES = 12
SHOWN_TEXT = 40


@record
class Cell:
    """One cell for a message: its row from 1, its text and, in a text file, its line."""

    row: int
    text: str
    line: int | None = None

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"row {self.row:,}" if self.line is None else f"row {self.row:,} (line {self.line:,})"


@record
class Column:
    """One column: ``numbers`` (float64, one per row) or, if a cell is none, ``texts``.

    ``odd`` is the first cell that is no number, ``empty`` the first without a value, each with how many there are.
    ``texts`` are kept for a target alone. ``is_boolean`` says that they are truth values.
    """

    name: str
    numbers: Array | None
    texts: Sequence[str] | None = None
    odd: Cell | None = None
    odds: int = 0
    empty: Cell | None = None
    empties: int = 0
    is_boolean: bool = False


@record
class Table:
    """The columns of a file, all of one length. ``shapes`` are those of an example in arrays that are no column."""

    path: str
    columns: tuple[Column, ...]
    rows: int

    def column(self, name: str) -> Column:
        """The column of that name. Raise SourceError naming those there are."""
        for column in self.columns:
            if column.name == name:
                return column
        names = [column.name for column in self.columns]
        close = nearest(name, names)
        raise SourceError(
            f"{self.path} has no column {name[:SHOWN_TEXT]!r}.",
            hint=("" if close is None else f"Did you mean {shortened(close)!r}? ") + f"Its columns: {names_of(names)}.",
            instead=None if close is None else Instead(name, close),
        )


def names_of(names: Sequence[str]) -> str:
    """The first names of a list, and how many more there are."""
    shown = ", ".join(shortened(name) for name in names[:SHOWN_NAMES])
    more = len(names) - SHOWN_NAMES
    return shown if more <= 0 else f"{shown} … and {more:,} more, the last one {shortened(names[-1])}"


def shortened(text: str) -> str:
    """A text that fits a message, without control characters."""
    text = printable(text)
    return text if len(text) <= SHOWN_TEXT else f"{text[: SHOWN_TEXT - 1]}…"
