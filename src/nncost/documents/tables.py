"""Tables as aligned text: whole, with rounded numbers, or in what ``narrow`` makes of a table that is too wide."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from nncost.dims import Dim
from nncost.documents.document import Table, is_formula
from nncost.documents.lines import GAP, Styled, columns, left, right, wrapped
from nncost.documents.page import Page
from nncost.names import short_names
from nncost.records import record, replace
from nncost.units import compact, exact

_NARROWEST_TEXT, _NARROWEST_NAME = 24, 16
ROUNDED = "Numbers above 99,999 are rounded to four digits here; --json, --csv and a wider terminal hold all of them."


@record
class Way:
    """How amounts are written, and what stands between two columns."""

    amount: Callable[[Dim], str]
    gap: str


WHOLE = Way(exact, GAP)
WAYS = (WHOLE, Way(exact, " "), Way(compact, GAP), Way(compact, " "))
"""The first one that fits is taken."""


@record
class Laid:
    """A table in lines, and whether it has a number that is rounded."""

    lines: tuple[Styled, ...]
    is_rounded: bool = False


def table_lines(table: Table, page: Page, *, with_bars: bool = False) -> Laid:
    """Return the table in lines that fit the page; in a pipe, numbers are neither rounded nor put apart.

    Bars stand behind whole rows on a page with room for them; in a pipe too ``with_bars``.
    """
    from nncost.documents.bars import room_for_bars
    from nncost.documents.bars import with_bars as drawn
    from nncost.documents.narrow import in_blocks, listed  # which are made of grids

    if any(is_formula(cell) for row in table.all_rows for cell in row):
        return Laid(tuple(listed(table, page)))
    if table.alignment[-1] == "l" and len(table.header) > 1:
        return Laid(tuple(_with_text(table, page)))
    for shown in _for_bars(table, page) if with_bars else [table]:
        for way in () if table.bars is None else WAYS if with_bars else WAYS[:1]:
            width = width_of(widths_of(shown, page, way), shown.groups, way)
            if room := room_for_bars(shown, page, width, in_pipes=with_bars):
                laid = block(shown, page, way)
                return Laid(drawn(laid.lines, shown, page, room), laid.is_rounded)
    if table.spare and not page.fits(width_of(widths_of(table, page, WHOLE), table.groups, WHOLE)):
        table = _without_spare(table)
    for way in WAYS:
        if page.fits(width_of(widths_of(table, page, way), table.groups, way)):
            return block(table, page, way)
    return in_blocks(table, page)


def _for_bars(table: Table, page: Page) -> Iterator[Table]:
    """Yield a table and what bars still have room behind: without spare columns, and with long names cut."""
    from nncost.documents.bars import least_room

    yield table
    if page.width is None or table.bars is None:
        return
    if table.spare:
        table = _without_spare(table)
        yield table
    way = WAYS[-1]
    first, *others = widths_of(table, page, way)
    width = width_of([first, *others], table.groups, way)
    room = page.width - (width - first) - len(GAP) - least_room(table, page)
    if _NARROWEST_NAME <= room < first:
        names = short_names([page.cell(row[0]) for row in table.all_rows], room)
        rows = [(name, *row[1:]) for name, row in zip(names, table.all_rows, strict=True)]
        yield replace(table, rows=tuple(rows[: len(table.rows)]), total=None if table.total is None else rows[-1])


def _without_spare(table: Table) -> Table:
    return only(table, [number for number, title in enumerate(table.titles) if title not in table.spare])


def only(table: Table, keep: Sequence[int]) -> Table:
    """Return the table with these columns."""
    header, groups = (tuple(titles[i] for i in keep) for titles in (table.header, table.groups or table.header))
    rows = tuple(tuple(row[i] for i in keep) for row in table.rows)
    total = None if table.total is None else tuple(table.total[i] for i in keep)
    align = "".join(table.alignment[i] for i in keep)
    return replace(table, header=header, groups=groups if table.groups else (), rows=rows, total=total, align=align)


def block(table: Table, page: Page, way: Way) -> Laid:
    """Return the columns as they are."""
    amounts = [cell for row in table.all_rows for cell in row if isinstance(cell, int)]
    is_rounded = way.amount is compact and any(compact(amount) != exact(amount) for amount in amounts)
    return Laid(tuple(grid(table, page, way)), is_rounded)


# ------------------------------------------------------------------- widths
def widths_of(table: Table, page: Page, way: Way) -> list[int]:
    """Return the width of each column; a name may stand on several lines."""
    rows = [[page.cell(cell, way.amount) for cell in row] for row in table.all_rows]
    names = [columns(line) for row in rows for line in row[0].split("\n")]
    titles = [columns(page.text(title)) for title in table.header]
    others = (
        max(map(columns, column), default=0) for column in list(zip(*rows, strict=True))[1:] or [()] * len(titles[1:])
    )
    return [max(titles[0], *names, 0), *map(max, titles[1:], others)]


def width_of(widths: Sequence[int], groups: Sequence[str], way: Way) -> int:
    """Return the width of columns side by side, under the titles of their groups."""
    room = _with_room_for(groups, widths, way.gap) if any(groups) else widths
    return sum(room) + len(way.gap) * (len(room) - 1)


# ------------------------------------------------------------------- columns
def grid(table: Table, page: Page, way: Way, last: int | None = None) -> Iterator[Styled]:
    """Yield the columns under their titles; with a width of the ``last`` one, its text is wrapped."""
    gap, widths = way.gap, widths_of(table, page, way)
    header, groups = (tuple(map(page.text, titles)) for titles in (table.header, table.groups))
    if last is not None:
        widths[-1] = min(widths[-1], last)
    if any(groups):
        widths = _with_room_for(groups, widths, gap)
        yield Styled(_group_line(groups, widths, gap), "dim")
    rule = Styled("-" * (sum(widths) + len(gap) * (len(widths) - 1)), "dim")
    yield from (Styled(line, "dim") for line in row_lines(header, widths, table.alignment, gap))
    yield rule
    for number, row in enumerate(table.all_rows):
        is_total = number == len(table.rows)
        if is_total:
            yield rule
        *above, name = page.cell(row[0]).split("\n")
        yield from map(Styled, above)
        cells = (name, *(page.cell(cell, way.amount) for cell in row[1:]))
        yield from (Styled(line, "bold" if is_total else "") for line in row_lines(cells, widths, table.alignment, gap))


def row_lines(cells: Sequence[str], widths: Sequence[int], alignment: str, gap: str) -> Iterator[str]:
    """Yield one line, and more of them if a last column of text is wrapped."""
    last = wrapped(cells[-1], widths[-1]) if alignment[-1] == "l" else [cells[-1]]
    placed = zip((*cells[:-1], last[0]), widths, alignment, strict=True)
    yield gap.join(left(cell, width) if side == "l" else right(cell, width) for cell, width, side in placed).rstrip()
    margin = sum(widths[:-1]) + len(gap) * (len(widths) - 1)
    yield from (" " * margin + line for line in last[1:])


def _spans(groups: Sequence[str]) -> list[tuple[int, int]]:
    """Return the first and the last column of each group; the first column of the table has none."""
    firsts = [i for i in range(1, len(groups)) if i == 1 or groups[i] != groups[i - 1]]
    return [(first, after - 1) for first, after in zip(firsts, (*firsts[1:], len(groups)), strict=True)]


def _with_room_for(groups: Sequence[str], widths: Sequence[int], gap: str) -> list[int]:
    """Return widths in which each group's title fits over its columns."""
    room = list(widths)
    for first, last in _spans(groups):
        span = sum(room[first : last + 1]) + len(gap) * (last - first)
        room[first] += max(0, columns(groups[first]) - span)
    return room


def _group_line(groups: Sequence[str], widths: Sequence[int], gap: str) -> str:
    """Return the titles of groups, each right-aligned over its columns."""
    spans = _spans(groups)
    over = (right(groups[first], sum(widths[first : last + 1]) + len(gap) * (last - first)) for first, last in spans)
    return gap.join([" " * widths[0], *over])


# ------------------------------------------------------------------- text in the last column
def _with_text(table: Table, page: Page) -> Iterator[Styled]:
    """A table whose last column is text: wrapped beside the others, below them, or in a list."""
    from nncost.documents.narrow import listed

    widths = widths_of(table, page, WHOLE)
    margin = sum(widths[:-1]) + len(GAP) * (len(widths) - 1)
    if margin + min(_NARROWEST_TEXT, widths[-1]) <= page.room:
        yield from grid(table, page, WHOLE, last=page.room - margin)
    elif margin - len(GAP) > page.room:
        yield from listed(table, page)
    else:
        for number, row in enumerate((table.header, *table.all_rows)):
            cells, style = [page.cell(cell) for cell in row], "" if number else "dim"
            texts = list(row_lines(cells[:-1], widths[:-1], table.alignment[:-1], GAP))
            texts += wrapped(cells[-1], page.room, GAP * 2, GAP * 2) if cells[-1] else []
            yield from (Styled(text, style) for text in texts)
