"""Bars behind the rows of a table: what each row's share looks like, in block characters or in plain ones."""

from __future__ import annotations

from nncost.documents.document import Table
from nncost.documents.lines import GAP, Styled, columns, left
from nncost.documents.page import Page

_WIDEST, _NARROWEST = 24, 8
_PARTS = " ▏▎▍▌▋▊▉"
"""Nothing to seven eighths of a column."""
_WHOLE = "█"
_COLOUR = "blue"
_NOT_DRAWN = "not drawn"


def room_for_bars(table: Table, page: Page, width: int, *, in_pipes: bool) -> int:
    """Return the columns for bars behind a table of that width; 0 where there are none, or no room for them."""
    if table.bars is None or (page.width is None and not in_pipes):
        return 0
    left_over = _WIDEST if page.width is None else page.width - width - len(GAP)
    return min(left_over, _WIDEST) if left_over >= least_room(table, page) else 0


def least_room(table: Table, page: Page) -> int:
    """Return the columns that bars take at least: those of their title."""
    title = "" if table.bars is None else page.text(table.bars.title)
    return max(_NARROWEST, columns(title))


def with_bars(lines: tuple[Styled, ...], table: Table, page: Page, room: int) -> tuple[Styled, ...]:
    """Return the lines of a table with bars of at most ``room`` columns; the longest is that of the largest share."""
    assert table.bars is not None
    head = len(lines) - len(table.all_rows) - (table.total is not None)
    shares = table.bars.shares
    if head not in (2, 3) or len(shares) < len(table.rows):  # a name on several lines
        return lines
    width, most = max(columns(line.text) for line in lines), max((share or 0.0 for share in shares), default=0.0)
    shown = list(lines)
    if table.bars.title != table.header[-1]:
        shown[head - 2] = _joined(lines[head - 2], page.text(table.bars.title), width)
    for place in [head - 1, *([len(lines) - 2] if table.total is not None else [])]:
        shown[place] = Styled(lines[place].text + "-" * (len(GAP) + room), lines[place].style)
    for place, share in enumerate(shares[: len(table.rows)], head):
        bar = _NOT_DRAWN if share is None else bar_text(share / most if most else 0.0, room, page)
        if bar and len(bar) <= room:
            shown[place] = _joined(lines[place], bar, width, "dim" if share is None else _COLOUR)
    return tuple(shown)


def bar_text(share: float, room: int, page: Page) -> str:
    """Return a bar: so much of ``room`` columns, to an eighth of one where the characters are there."""
    has_parts = all(page.text(part) == part for part in _PARTS)
    eighths = round(share * room * len(_PARTS)) if has_parts else round(share * room) * len(_PARTS)
    whole, rest = divmod(max(eighths, 1 if share > 0 and has_parts else 0), len(_PARTS))
    return (page.text(_WHOLE) * whole + (_PARTS[rest] if rest else "")).rstrip()


def _joined(line: Styled, text: str, width: int, style: str = "") -> Styled:
    """The line with a text behind it, which may have a style of its own."""
    before = left(line.text, width) + GAP
    spans = ((len(before), len(before) + len(text), style),) if style else ()
    return Styled(before + text, line.style, (*line.spans, *spans))
