"""A document as aligned text, for terminals and pipes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Union

from nncost.documents import document as doc
from nncost.documents.lines import GAP, Styled, columns, left, wrapped
from nncost.documents.page import Page
from nncost.documents.shell import shell_lines
from nncost.documents.tables import ROUNDED, table_lines
from nncost.documents.work import work_lines

_EQUATION_INDENT = "      "
Words = Union[doc.Paragraph, doc.Note, doc.Shell, doc.Heading, doc.Equation, doc.Work, doc.Facts]
"""Blocks that are neither tables nor charts."""


def render(document: doc.Document, width: int | None = None, encoding: str | None = None) -> str:
    """Return the text in lines of at most ``width`` columns, or of a page's width without one.

    Characters that the ``encoding`` lacks have a plain form.
    """
    return "".join(f"{line.text}\n" for line in layout(document, Page(width, encoding)))


def layout(document: doc.Document, page: Page) -> Iterator[Styled]:
    """Yield the lines; titles are underlined in documents whose sections have titles."""
    has_titles = any(section.title for section in document.sections)
    if document.title:
        yield from _title(document.title, "═" if has_titles else "", page)
    is_first, is_noted = not document.title, False
    for section in document.sections:
        if section.title:
            yield Styled("")
            yield from _title(section.title, "─", page)
        previous: doc.Block | None = None
        for block in section.blocks:
            if not (is_first or _belongs(previous, block)):
                yield Styled("")
            is_first = False
            if isinstance(block, doc.Chart):
                yield from (*_prose(block.title, "bold", page), *_prose(block.description, "", page), Styled(""))
            if isinstance(block, (doc.Table, doc.Chart)):
                laid = (
                    table_lines(block, page)
                    if isinstance(block, doc.Table)
                    else table_lines(block.short or block.table, page, with_bars=True)
                )
                yield from (*laid.lines, *(_prose(ROUNDED, "dim", page) if laid.is_rounded and not is_noted else ()))
                is_noted |= laid.is_rounded
            else:
                yield from _block(block, previous, page)
            previous = block


def _title(text: str, rule: str, page: Page) -> Iterator[Styled]:
    lines = wrapped(page.text(text), page.room)
    yield from (Styled(line, "bold") for line in lines)
    if rule:
        yield Styled(page.text(rule) * max(map(columns, lines)), "bold")


def _belongs(previous: doc.Block | None, block: doc.Block) -> bool:
    """Return whether no blank line stands between two blocks."""
    return isinstance(previous, doc.Heading) or (
        isinstance(block, (doc.Equation, doc.Note)) and type(block) is type(previous)
    ) or (isinstance(block, doc.Shell) and isinstance(previous, (doc.Note, doc.Shell)))  # fmt: skip


def _block(block: Words, previous: doc.Block | None, page: Page) -> list[Styled]:
    match block:
        case doc.Paragraph(text=text):
            return _prose(text, "", page)
        case doc.Note(text=text, is_warning=is_warning):
            return _prose(text, "bold red" if is_warning else "dim", page)
        case doc.Shell():
            return [Styled(line, "dim") for line in shell_lines(block, page)]
        case doc.Heading(text=text):
            return _prose(text, "bold", page)
        case doc.Equation(maths=maths):
            return [Styled(line) for line in _equation(page.text(maths.text), page.room)]
        case doc.Work():
            return list(work_lines(block, page))
        case doc.Facts():
            return list(_facts(block, GAP if isinstance(previous, doc.Heading) else "", page))


def _prose(text: str, style: str, page: Page) -> list[Styled]:
    return [Styled(line, style) for line in wrapped(page.text(text), page.room)]


def _facts(facts: doc.Facts, indent: str, page: Page) -> Iterator[Styled]:
    """Yield names and, beside them, their text; without a page, an amount is never broken."""
    names = [page.text(name) for name, _ in facts.pairs]
    margin = len(indent) + max(map(columns, names)) + len(GAP)
    for name, (_, cell) in zip(names, facts.pairs, strict=True):
        head, text = left(indent + name, margin), page.cell(cell)
        if page.width is None and not isinstance(cell, str):
            lines = [head + text]
        elif margin > page.room // 2 and columns(head + text) > page.room:
            yield from (Styled(line, "cyan") for line in wrapped(name, page.room, indent, indent))
            yield from map(Styled, wrapped(text, page.room, indent + GAP * 2, indent + GAP * 2))
            continue
        else:
            lines = wrapped(text, page.room, head, " " * margin)
        yield Styled(lines[0].rstrip(), spans=((0, min(margin, len(lines[0].rstrip())), "cyan"),))
        yield from map(Styled, lines[1:])


def _equation(text: str, room: int) -> list[str]:
    """An equation keeps the spaces before its side remark if it fits."""
    line = _EQUATION_INDENT + text
    return [line] if columns(line) <= room else wrapped(text.strip(), room, _EQUATION_INDENT, _EQUATION_INDENT)
