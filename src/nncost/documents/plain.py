"""An explanation as terminal text of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from nncost.documents.document import (
    Block,
    Equation,
    Explanation,
    Heading,
    Line,
    Maths,
    Paragraph,
    Section,
    Table,
    Work,
)
from nncost.units import abbreviated

WIDTH = 80
_INDENT, _EQUATION_INDENT = "  ", "      "
_GAP, _EQUALS = "  ", " = "
_FEW_OF = 3
"""Columns are kept while at most one label in so many is too long for them."""
_NARROWEST = 24
"""The least room for a table's last column; with less, it stands below the others."""


def render(explanation: Explanation) -> str:
    """The whole text, ending in a newline."""
    title = _wrapped(abbreviated(explanation.title), "")
    lines = [*title, "═" * max(len(line) for line in title)]
    for section in explanation.sections:
        lines += _section(section)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _section(section: Section) -> list[str]:
    title = _wrapped(abbreviated(section.title), "") if section.title else []
    lines = ["", *title, "─" * max(map(len, title))] if title else []
    previous: Block | None = None
    for block in section.blocks:
        if not (isinstance(previous, Heading) or (isinstance(block, Equation) and isinstance(previous, Equation))):
            lines.append("")
        lines += _block(block)
        previous = block
    return lines


def _block(block: Block) -> list[str]:
    match block:
        case Paragraph(text=text):
            return _wrapped(abbreviated(text), "")
        case Heading(text=text):
            return _wrapped(text, "")
        case Equation(maths=maths):
            return _equation(maths)
        case Work():
            return _work(block)
        case Table():
            return _table(block)


def _wrapped(text: str, indent: str, width: int = WIDTH) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False) or [""]


def _equation(maths: Maths) -> list[str]:
    """An equation keeps the spaces before its side remark where it fits."""
    line = _EQUATION_INDENT + abbreviated(maths.text)
    return [line] if len(line) <= WIDTH else _wrapped(line.strip(), _EQUATION_INDENT)


# ------------------------------------------------------------------- worked lines
def _work(work: Work) -> list[str]:
    """In columns where every line fits; otherwise each line as compactly as it can be."""
    lines = [*work.lines, *([work.total] if work.total is not None else [])]
    texts = [_texts(line) for line in lines]
    middles, results = (max(len(text[column]) for text in texts) for column in (1, 2))
    behind = len(_GAP) + middles + (len(_EQUALS) if middles else 0) + results
    room = WIDTH - len(_INDENT) - behind
    labels = max((len(line.label) for line in lines if len(line.label) <= room), default=0)
    long = sum(len(line.label) > room for line in lines)
    if room < len("sum") or _FEW_OF * long > len(lines):
        return [text for line in lines for text in _compact(line)]
    rows = [row for line in lines for row in _aligned(line, labels, middles, results)]
    if work.total is not None:
        rows.insert(-1, " " * (len(_INDENT) + labels + behind - results) + "─" * results)
    return rows


def _texts(line: Line) -> tuple[str, str, str]:
    """The label, the formula with its numbers, and the result."""
    middle = _EQUALS.join(abbreviated(part.text) for part in (line.formula, line.numbers) if part is not None)
    return line.label, middle, abbreviated(line.result.text)


def _aligned(line: Line, labels: int, middles: int, results: int) -> list[str]:
    """A row of the columns; a label that is too long stands above it."""
    label, middle, result = _texts(line)
    joint = (_EQUALS if middle else " " * len(_EQUALS)) if middles else ""
    above = _wrapped(label, _INDENT) if len(label) > labels else []
    return [*above, f"{_INDENT}{'' if above else label:<{labels}}{_GAP}{middle:<{middles}}{joint}{result:>{results}}"]


def _compact(line: Line) -> list[str]:
    """On one line, or the label above the sum, or each step of the sum on a line of its own."""
    label, middle, result = _texts(line)
    whole = _EQUALS.join(text for text in (middle, result) if text)
    if len(_INDENT + label + _GAP + whole) <= WIDTH:
        return [f"{_INDENT}{label}{_GAP}{whole}"]
    below = _wrapped(label, _INDENT)
    if len(_EQUATION_INDENT + whole) <= WIDTH:
        return [*below, _EQUATION_INDENT + whole]
    return [*below, *_stacked([part for part in (*middle.split(_EQUALS), result) if part])]


def _stacked(parts: Sequence[str]) -> Iterator[str]:
    for number, part in enumerate(parts):
        sign = "= " if number else "  "
        wrapped = _wrapped(part, "", WIDTH - len(_EQUATION_INDENT) - len(sign))
        yield f"{_EQUATION_INDENT}{sign}{wrapped[0]}"
        yield from (f"{_EQUATION_INDENT}  {rest}" for rest in wrapped[1:])


# ------------------------------------------------------------------- tables
def _table(table: Table) -> list[str]:
    """Columns side by side; the last one is wrapped."""
    rows = [
        [abbreviated(cell if isinstance(cell, str) else cell.text) for cell in row]
        for row in (table.header, *table.rows)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.header) - 1)]
    left = len(_INDENT) + sum(widths) + len(_GAP) * len(widths)
    if left + min(_NARROWEST, max(len(row[-1]) for row in rows)) > WIDTH:
        return _loose_table(rows)
    return [line for row in rows for line in _row(row, widths, left)]


def _row(row: Sequence[str], widths: Sequence[int], left: int) -> Iterator[str]:
    head = _INDENT + "".join(f"{cell:<{width}}{_GAP}" for cell, width in zip(row, widths, strict=False))
    wrapped = _wrapped(row[-1], "", WIDTH - left)
    yield head + wrapped[0]
    yield from (" " * left + rest for rest in wrapped[1:])


def _loose_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """A table too wide for columns: each row on its own lines, the last cell below the others."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    aligned = len(_INDENT) + sum(widths) + len(_GAP) * (len(widths) - 1) <= WIDTH
    lines: list[str] = []
    for row in rows if aligned else rows[1:]:
        if aligned:
            lines.append(_INDENT + _GAP.join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)))
        else:
            lines += _wrapped(_GAP.join(row[:-1]), _INDENT)
        lines += _wrapped(row[-1], _EQUATION_INDENT) if row[-1] else []
    return lines
