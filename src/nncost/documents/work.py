"""Worked lines as aligned text: ``label  formula = numbers = result``, and their sum."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nncost.documents.document import Line, Work
from nncost.documents.lines import GAP, Styled, columns, left, right, wrapped
from nncost.documents.page import Page
from nncost.records import record

_INDENT, _EQUALS = "      ", " = "
_FEW_OF = 3
"""Columns are kept if at most one label in this many is too long for them."""
_LABEL, _ANSWER = "cyan", "bold"


@record
class _Texts:
    """A line as it is shown: its label, the formula with its numbers, the result; an answer is set in bold."""

    label: str
    middle: str
    result: str
    is_answer: bool


def work_lines(work: Work, page: Page) -> Iterator[Styled]:
    """Yield the lines in columns if they fit; otherwise each line as compactly as it can be."""
    lines = [_texts(line, line is work.total or work.total is None, page) for line in work.all_lines]
    if not lines:
        return
    middles, results = (
        max(map(columns, column)) for column in zip(*((t.middle, t.result) for t in lines), strict=True)
    )
    behind = len(GAP) + middles + (len(_EQUALS) if middles else 0) + results
    room = page.room - len(GAP) - behind
    labels = max((columns(line.label) for line in lines if columns(line.label) <= room), default=0)
    long = sum(columns(line.label) > room for line in lines)
    if room < len("sum") or _FEW_OF * long > len(lines):
        for line in lines:
            yield from _compact(line, page.room)
        return
    for number, line in enumerate(lines):
        if work.total is not None and number == len(lines) - 1:
            yield Styled(" " * (len(GAP) + labels + behind - results) + page.text("─") * results)
        yield from _aligned(line, labels, middles, results, page.room)


def _texts(line: Line, is_answer: bool, page: Page) -> _Texts:
    middle = _EQUALS.join(page.text(part.text) for part in (line.formula, line.numbers) if part is not None)
    return _Texts(page.text(line.label), middle, page.text(line.result.text), is_answer)


def _styled(row: str, line: _Texts, has_label: bool = True) -> Styled:
    """A row with the label it begins with and the result it ends in."""
    label = ((len(GAP), len(GAP) + len(line.label), _LABEL),) if has_label and line.label else ()
    answer = ((len(row) - len(line.result), len(row), _ANSWER),) if line.is_answer and line.result else ()
    return Styled(row, spans=(*label, *answer))


def _aligned(line: _Texts, labels: int, middles: int, results: int, width: int) -> Iterator[Styled]:
    """Yield a row of the columns; a label that is too long stands above it."""
    joint = (_EQUALS if line.middle else " " * len(_EQUALS)) if middles else ""
    is_above = columns(line.label) > labels
    if is_above:
        yield from (Styled(text, _LABEL) for text in wrapped(line.label, width, GAP, GAP))
    label = left("" if is_above else line.label, labels)
    row = f"{GAP}{label}{GAP}{left(line.middle, middles)}{joint}{right(line.result, results)}"
    yield _styled(row.rstrip(), line, not is_above)


def _compact(line: _Texts, width: int) -> Iterator[Styled]:
    """Yield it on one line, or the label above the sum, or each step of the sum on a line of its own."""
    whole = _EQUALS.join(text for text in (line.middle, line.result) if text)
    row = f"{GAP}{line.label}{GAP}{whole}".rstrip()
    if columns(row) <= width:
        yield _styled(row, line)
        return
    yield from (Styled(text, _LABEL) for text in wrapped(line.label, width, GAP, GAP))
    if columns(_INDENT + whole) <= width:
        yield _styled(_INDENT + whole, line, has_label=False)
        return
    parts = [part for part in (*line.middle.split(_EQUALS), line.result) if part]
    yield from _stacked(parts, width, _ANSWER if line.is_answer else "")


def _stacked(parts: Sequence[str], width: int, answer: str) -> Iterator[Styled]:
    for number, part in enumerate(parts, 1):
        sign = _INDENT + ("= " if number > 1 else "  ")
        style = answer if number == len(parts) else ""
        yield from (Styled(line, style) for line in wrapped(part, width, sign, " " * len(sign)))
