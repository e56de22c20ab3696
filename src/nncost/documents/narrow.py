"""Tables that are too wide for a page: in blocks of columns below each other, or as a list. No column is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nncost.documents.document import NONE, Table, is_formula
from nncost.documents.lines import GAP, Styled, columns, left, wrapped
from nncost.documents.page import Page
from nncost.documents.tables import WAYS, WHOLE, Laid, Way, block, only, width_of, widths_of
from nncost.records import replace

_NARROWEST_NAME = 20
_TITLE = 20
"""Columns for the title of a formula."""


def in_blocks(table: Table, page: Page) -> Laid:
    """Return the columns in as many blocks as the page needs, each with the first column and its titles.

    Long names give way first. Columns of one group stay together where they fit, and numbers keep every digit where
    rounded ones would need as many blocks.
    """
    others = range(1, len(table.header))
    room = _room_beside(table, page, others)
    if room >= _NARROWEST_NAME:
        return _block(_named(table, page, room), page)
    narrowest = min(_room_beside(table, page, [number]) for number in others)
    room = min(max(_NARROWEST_NAME, page.room // 2), narrowest)
    if room < _NARROWEST_NAME and room < _longest_name(table, page):
        return Laid(tuple(listed(table, page)))
    packed = {way: packing for way in WAYS if (packing := _packed(_named(table, page, room), page, way)) is not None}
    if not packed:
        return Laid(tuple(listed(table, page)))
    way, packing = min(packed.items(), key=lambda found: len(found[1]))
    named = _named(table, page, min(_room_beside(table, page, numbers, way) for numbers in packing))
    blocks = [_block(only(named, (0, *numbers)), page) for numbers in packing]
    lines = (line for block in blocks for line in (Styled(""), *block.lines))
    return Laid(tuple(lines)[1:], any(block.is_rounded for block in blocks))


def side_by_side(table: Table, page: Page) -> list[Table]:
    """Return the table in parts that fit the page with every digit; what never fits stands alone."""
    if page.fits(width_of(widths_of(table, page, WHOLE), table.groups, WHOLE)) or len(table.header) < 2:
        return [table]
    packing = _packed(table, page, WHOLE) or [(number,) for number in range(1, len(table.header))]
    return [only(table, (0, *numbers)) for numbers in packing]


def _block(table: Table, page: Page) -> Laid:
    """The columns in the first way that fits."""
    fitting = (way for way in WAYS if page.fits(width_of(widths_of(table, page, way), table.groups, way)))
    return block(table, page, next(fitting, WAYS[-1]))


def _packed(table: Table, page: Page, way: Way) -> list[tuple[int, ...]] | None:
    """The columns of each block: whole groups as long as they fit, a group that is too wide in parts."""
    widths, groups = widths_of(table, page, way), table.groups or ("",) * len(table.header)

    def fits(numbers: Sequence[int]) -> bool:
        keep = (0, *numbers)
        return page.fits(width_of([widths[i] for i in keep], [groups[i] for i in keep], way))

    blocks: list[tuple[int, ...]] = [()]
    for unit in _units(table):
        for part in (unit,) if fits(unit) else ((number,) for number in unit):
            if not fits(part):
                return None
            if blocks[-1] and not fits((*blocks[-1], *part)):
                blocks.append(())
            blocks[-1] = (*blocks[-1], *part)
    return blocks


def _units(table: Table) -> Iterator[tuple[int, ...]]:
    """Yield the columns of each group; without groups, each column."""
    numbers = range(1, len(table.header))
    if not any(table.groups):
        yield from ((number,) for number in numbers)
        return
    starts = [number for number in numbers if number == 1 or table.groups[number] != table.groups[number - 1]]
    for first, after in zip(starts, (*starts[1:], len(table.header)), strict=True):
        yield tuple(range(first, after))


# ------------------------------------------------------------------- long names
def _longest_name(table: Table, page: Page) -> int:
    return widths_of(table, page, WHOLE)[0]


def _room_beside(table: Table, page: Page, numbers: Sequence[int], way: Way = WAYS[-1]) -> int:
    """Columns that are left for names beside these columns; with rounded numbers if no other way is given."""
    kept = only(table, (0, *numbers))
    widths = widths_of(kept, page, way)
    return page.room - width_of(widths, kept.groups, way) + widths[0]


def _named(table: Table, page: Page, room: int) -> Table:
    """The table with names of at most ``room`` columns: cut or, if two of them would be the same, broken."""
    return _cut(table, page, room) or _broken(table, page, room)


def _cut(table: Table, page: Page, room: int) -> Table | None:
    """The table with the ends of longer names; None if two of them would be the same."""
    names = [page.cell(row[0]) for row in table.all_rows]
    dots = page.text("…")
    short = [name if columns(name) <= room else f"{dots}{name[len(dots) - room :]}" for name in names]
    if max(map(columns, short), default=0) > room or len(set(short)) < len(set(names)):
        return None
    return _with_names(table, short)


def _broken(table: Table, page: Page, room: int) -> Table:
    """The table with longer names over several lines."""
    names = (page.cell(row[0]) for row in table.all_rows)
    return _with_names(table, ["\n".join(wrapped(name, room, "", GAP)) for name in names])


def _with_names(table: Table, names: Sequence[str]) -> Table:
    rows = [(name, *row[1:]) for name, row in zip(names, table.all_rows, strict=True)]
    last = None if table.total is None else rows.pop()
    return replace(table, rows=tuple(rows), total=last)


# ------------------------------------------------------------------- lists
def listed(table: Table, page: Page) -> Iterator[Styled]:
    """Yield one line per value that is not 0, under the name of its row: for formulas, and text that is too wide."""
    titles = [page.text(title) for title in table.titles[1:]]
    if head := page.text(table.titles[0]):
        yield from (Styled(line, "dim") for line in wrapped(head, page.room))
    widest = min(_TITLE, max(map(columns, titles), default=0) + len(GAP))
    for number, (name, *cells) in enumerate(table.all_rows):
        style = "bold" if number == len(table.rows) else "cyan"
        yield from (Styled(line, style) for line in wrapped(page.cell(name), page.room, GAP, GAP))
        for title, cell in zip(titles, cells, strict=True):
            if cell not in (0, "", NONE):
                whole = page.width is None and is_formula(cell)
                yield from map(Styled, _entry(title, page.cell(cell), widest, page, whole=whole))


def _entry(title: str, text: str, widest: int, page: Page, *, whole: bool) -> list[str]:
    """A title with its value beside it or, where that is narrow, below it; a ``whole`` one is never broken."""
    head = GAP * 2 + left(title, max(widest, columns(title) + len(GAP)))
    if whole or columns(head + text) <= page.room:
        return [head + text]
    if columns(head) <= page.room // 2:
        return wrapped(text, page.room, head, " " * columns(head))
    return [*wrapped(title, page.room, GAP * 2, GAP * 2), *wrapped(text, page.room, GAP * 3, GAP * 3)]
