"""The rows of a report as tables of other libraries: pandas, Polars and Arrow."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nncost.dims import Dim, is_symbolic
from nncost.errors import MissingExtraError
from nncost.report_data import plain, row_table

if TYPE_CHECKING:
    from nncost.report import Report

_WORD = 2**63
"""Whole numbers below it fit into 64 bits."""


def pandas_frame(report: Report) -> Any:
    """Return a ``pandas.DataFrame``; amounts that do not fit into 64 bits, and formulas, are Python objects."""
    pandas = _package("pandas", "a table of pandas", "pandas")
    titles, lines = row_table(report)
    return pandas.DataFrame(lines, columns=titles)


def polars_frame(report: Report) -> Any:
    """Return a ``polars.DataFrame`` with the columns of :func:`columns`."""
    return _package("polars", "a table of Polars", "polars").DataFrame(columns(report))


def arrow_table(report: Report) -> Any:
    """Return a ``pyarrow.Table`` with the columns of :func:`columns`."""
    return _package("pyarrow", "a table of Arrow", "arrow").table(columns(report))


def columns(report: Report) -> dict[str, list[str] | list[int]]:
    """Return the columns by their titles: whole numbers, or text where one does not fit into 64 bits or is a formula."""
    titles, lines = row_table(report)
    return {title: _column([line[number] for line in lines]) for number, title in enumerate(titles)}


def _column(cells: list[str | Dim]) -> list[str] | list[int]:
    numbers = [cell for cell in cells if isinstance(cell, int) and -_WORD <= cell < _WORD]
    return numbers if len(numbers) == len(cells) else [_text(cell) for cell in cells]


def _text(cell: str | Dim) -> str:
    return cell if isinstance(cell, str) else str(plain(cell) if is_symbolic(cell) else cell)


def _package(name: str, purpose: str, extra: str) -> Any:
    """A library, imported now. Raise MissingExtraError without it."""
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtraError(purpose, name, extra) from error
