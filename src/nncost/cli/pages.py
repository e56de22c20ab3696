"""Markdown for a terminal, as rich lays it out; a long word in a table is broken instead of being cut."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions
from rich.markdown import Markdown, TableElement
from rich.table import Table


class _Whole(TableElement):
    """A table that loses nothing."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[object]:  # type: ignore[override]
        for part in super().__rich_console__(console, options):
            if isinstance(part, Table):
                for column in part.columns:
                    column.overflow = "fold"
            yield part


class Page(Markdown):
    """A page of the documents."""

    elements = {**Markdown.elements, "table_open": _Whole}  # noqa: RUF012 - as in rich
