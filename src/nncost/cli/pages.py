"""Markdown for a terminal, as rich lays it out, but whole: words in tables are broken, not cut, and code has every column."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions
from rich.markdown import CodeBlock, ImageItem, Markdown, TableElement
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text


class _Table(TableElement):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[object]:  # type: ignore[override]
        for part in super().__rich_console__(console, options):
            if isinstance(part, Table):
                for column in part.columns:
                    column.overflow = "fold"
            yield part


class _Code(CodeBlock):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[object]:  # type: ignore[override]
        code = str(self.text).rstrip()
        yield Syntax(code, self.lexer_name, theme="ansi_dark", word_wrap=True, background_color="default")


class _Picture(ImageItem):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[object]:  # type: ignore[override]
        yield Text.assemble("[picture: ", self.text, "]", style="italic")


class Page(Markdown):
    """A page of the documents."""

    elements = {**Markdown.elements, "table_open": _Table, "fence": _Code, "code_block": _Code, "image": _Picture}  # noqa: RUF012 - as in rich
