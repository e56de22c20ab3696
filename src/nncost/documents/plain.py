"""A document as aligned text, for terminals and pipes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nncost.documents import document as doc
from nncost.documents.tables import GAP, PAGE, Styled, table_lines, wrapped
from nncost.units import abbreviated

_EQUATION_INDENT, _EQUALS = "      ", " = "
_FEW_OF = 3
"""Columns are kept if at most one label in this many is too long for them."""


def render(document: doc.Document, width: int | None = None) -> str:
    """Return the text in lines of at most ``width`` columns, or of a page's width without one."""
    return "".join(f"{line.text}\n" for line in layout(document, width))


def layout(document: doc.Document, width: int | None) -> Iterator[Styled]:
    """Yield the lines; titles are underlined in documents whose sections have titles."""
    has_titles = any(section.title for section in document.sections)
    if document.title:
        yield from _title(document.title, "═" if has_titles else "", width)
    is_first = not document.title
    for section in document.sections:
        if section.title:
            yield Styled("")
            yield from _title(section.title, "─", width)
        previous: doc.Block | None = None
        for block in section.blocks:
            if not (is_first or _belongs(previous, block)):
                yield Styled("")
            is_first = False
            yield from _block(block, previous, width)
            previous = block


def _title(text: str, rule: str, width: int | None) -> Iterator[Styled]:
    lines = wrapped(abbreviated(text), width or PAGE)
    yield from (Styled(line, "bold") for line in lines)
    if rule:
        yield Styled(rule * max(map(len, lines)), "bold")


def _belongs(previous: doc.Block | None, block: doc.Block) -> bool:
    """Return whether no blank line stands between two blocks."""
    return isinstance(previous, doc.Heading) or (
        isinstance(block, (doc.Equation, doc.Note)) and type(block) is type(previous)
    ) or (isinstance(block, doc.Shell) and isinstance(previous, (doc.Note, doc.Shell)))  # fmt: skip


def _block(block: doc.Block, previous: doc.Block | None, width: int | None) -> list[Styled]:
    room = width or PAGE
    match block:
        case doc.Paragraph(text=text):
            return [Styled(line) for line in wrapped(abbreviated(text), room)]
        case doc.Note(text=text, is_warning=is_warning):
            return [Styled(line, "bold red" if is_warning else "dim") for line in wrapped(abbreviated(text), room)]
        case doc.Shell():
            return [Styled(line, "dim") for line in _shell(block, width)]
        case doc.Heading(text=text):
            return [Styled(line, "bold") for line in wrapped(text, room)]
        case doc.Equation(maths=maths):
            return [Styled(line) for line in _equation(maths, room)]
        case doc.Work():
            return [Styled(line) for line in _work(block, room)]
        case doc.Table():
            return table_lines(block, width)
        case doc.Facts():
            return list(_facts(block, GAP if isinstance(previous, doc.Heading) else "", width))


def _facts(facts: doc.Facts, indent: str, width: int | None) -> Iterator[Styled]:
    """Yield names and, beside them, their text; without a page, an amount is never broken."""
    margin = len(indent) + max(len(name) for name, _ in facts.pairs) + len(GAP)
    for name, cell in facts.pairs:
        head, text = f"{indent}{name}".ljust(margin), abbreviated(doc.text_of(cell))
        whole = width is None and not isinstance(cell, str)
        lines = [head + text] if whole else wrapped(text, width or PAGE, head, " " * margin)
        yield Styled(lines[0].rstrip(), "cyan", lead=margin)
        yield from map(Styled, lines[1:])


def _equation(maths: doc.Maths, width: int) -> list[str]:
    """An equation keeps the spaces before its side remark if it fits."""
    line = _EQUATION_INDENT + abbreviated(maths.text)
    return [line] if len(line) <= width else wrapped(line.strip(), width, _EQUATION_INDENT, _EQUATION_INDENT)


def _shell(shell: doc.Shell, width: int | None) -> Iterator[str]:
    """A command on one line; on a page that is too narrow it goes on behind a backslash, as a shell reads it."""
    line = shell.lead
    for word in shell.quoted:
        if width is not None and line.strip() and len(line) + len(word) + len("  \\") > width:
            yield f"{line} \\"
            line = f"{GAP}{word}"
        else:
            line = f"{line} {word}" if line else word
    yield line


# ------------------------------------------------------------------- worked lines
def _work(work: doc.Work, width: int) -> list[str]:
    """In columns if they fit; otherwise each line as compactly as it can be."""
    lines = work.all_lines
    if not lines:
        return []
    texts = [_texts(line) for line in lines]
    middles, results = (max(len(text[column]) for text in texts) for column in (1, 2))
    behind = len(GAP) + middles + (len(_EQUALS) if middles else 0) + results
    room = width - len(GAP) - behind
    labels = max((len(line.label) for line in lines if len(line.label) <= room), default=0)
    long = sum(len(line.label) > room for line in lines)
    if room < len("sum") or _FEW_OF * long > len(lines):
        return [text for line in lines for text in _compact(line, width)]
    rows = [row for line in lines for row in _aligned(line, labels, middles, results, width)]
    if work.total is not None:
        rows.insert(-1, " " * (len(GAP) + labels + behind - results) + "─" * results)
    return rows


def _texts(line: doc.Line) -> tuple[str, str, str]:
    """The label, the formula with its numbers, and the result."""
    middle = _EQUALS.join(abbreviated(part.text) for part in (line.formula, line.numbers) if part is not None)
    return line.label, middle, abbreviated(line.result.text)


def _aligned(line: doc.Line, labels: int, middles: int, results: int, width: int) -> list[str]:
    """A row of the columns; a label that is too long stands above it."""
    label, middle, result = _texts(line)
    joint = (_EQUALS if middle else " " * len(_EQUALS)) if middles else ""
    above = wrapped(label, width, GAP, GAP) if len(label) > labels else []
    row = f"{GAP}{'' if above else label:<{labels}}{GAP}{middle:<{middles}}{joint}{result:>{results}}"
    return [*above, row.rstrip()]


def _compact(line: doc.Line, width: int) -> list[str]:
    """On one line, or the label above the sum, or each step of the sum on a line of its own."""
    label, middle, result = _texts(line)
    whole = _EQUALS.join(text for text in (middle, result) if text)
    if len(GAP + label + GAP + whole) <= width:
        return [f"{GAP}{label}{GAP}{whole}".rstrip()]
    below = wrapped(label, width, GAP, GAP)
    if len(_EQUATION_INDENT + whole) <= width:
        return [*below, _EQUATION_INDENT + whole]
    return [*below, *_stacked([part for part in (*middle.split(_EQUALS), result) if part], width)]


def _stacked(parts: Sequence[str], width: int) -> Iterator[str]:
    for number, part in enumerate(parts):
        sign = _EQUATION_INDENT + ("= " if number else "  ")
        yield from wrapped(part, width, sign, " " * len(sign))
