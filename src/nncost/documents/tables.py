"""Tables as aligned text: whole, or narrowed step by step to the width of a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from nncost.dims import Dim
from nncost.documents.document import Table, is_formula, text_of
from nncost.records import record, replace
from nncost.units import abbreviated, compact, exact

PAGE = 80
"""The width of prose in a pipe."""
GAP = "  "
_NARROWEST_TEXT, _NARROWEST_NAME = 24, 20
_TITLE = 20
"""Columns for the title of a formula."""
ROUNDED = "Numbers above 99,999 are cut to four digits here; --json, --csv and a wider terminal hold all of them."


@record
class Styled:
    """A line of text with a style of rich for all of it, or for its first ``lead`` characters."""

    text: str
    style: str = ""
    lead: int = 0


def wrapped(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """Return the text in lines of at most ``width`` columns, with an indent of the first and of the other lines."""
    if len(first) + len(text) <= width and not text[:1].isspace():
        return [first + text]
    from textwrap import wrap

    return wrap(text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False) or [first]


def table_lines(table: Table, width: int | None) -> list[Styled]:
    """Return the table in lines of at most ``width`` columns; without a width, numbers are neither cut nor left out."""
    if any(is_formula(cell) for row in table.all_rows for cell in row):
        return list(_formulas(table, width))
    if table.alignment[-1] == "l":
        return _with_text(table, width or PAGE)
    lines = list(grid(table, exact))
    if width is not None and table.spare and _width(lines) > width:
        table = _only(table, [i for i, title in enumerate(table.titles) if title not in table.spare])
        lines = list(grid(table, exact))
    return lines if width is None or _width(lines) <= width else _narrowed(table, width)


def _width(lines: Sequence[Styled]) -> int:
    return max(len(line.text) for line in lines)


# ------------------------------------------------------------------- columns
def grid(table: Table, amount: Callable[[Dim], str], gap: str = GAP, width: int | None = None) -> Iterator[Styled]:
    """Yield the columns under their titles; with a ``width``, the text of the last column is wrapped."""
    rows = [[abbreviated(text_of(cell, amount)) for cell in row] for row in table.all_rows]
    widths = [max(map(len, column)) for column in zip(table.header, *rows, strict=True)]
    if width is not None:
        widths[-1] = min(widths[-1], width - sum(widths[:-1]) - len(gap) * (len(widths) - 1))
    if any(table.groups):
        widths = _with_room_for(table.groups, widths, gap)
        yield Styled(_group_line(table.groups, widths, gap), "dim")
    rule = Styled("-" * (sum(widths) + len(gap) * (len(widths) - 1)), "dim")
    yield from (Styled(line, "dim") for line in _row(table.header, widths, table.alignment, gap))
    yield rule
    for number, row in enumerate(rows):
        is_total = number == len(table.rows)
        if is_total:
            yield rule
        yield from (Styled(line, "bold" if is_total else "") for line in _row(row, widths, table.alignment, gap))


def _row(cells: Sequence[str], widths: Sequence[int], alignment: str, gap: str) -> Iterator[str]:
    """Yield one line, and more of them if a last column of text is wrapped."""
    last = wrapped(cells[-1], widths[-1]) if alignment[-1] == "l" else [cells[-1]]
    placed = zip((*cells[:-1], last[0]), widths, alignment, strict=True)
    yield gap.join(cell.ljust(width) if side == "l" else cell.rjust(width) for cell, width, side in placed).rstrip()
    left = sum(widths[:-1]) + len(gap) * (len(widths) - 1)
    yield from (" " * left + line for line in last[1:])


def _spans(groups: Sequence[str]) -> list[tuple[int, int]]:
    """Return the first and the last column of each group; the first column of the table has none."""
    firsts = [i for i in range(1, len(groups)) if i == 1 or groups[i] != groups[i - 1]]
    return [(first, after - 1) for first, after in zip(firsts, (*firsts[1:], len(groups)), strict=True)]


def _with_room_for(groups: Sequence[str], widths: Sequence[int], gap: str) -> list[int]:
    """Return widths in which each group's title fits over its columns."""
    room = list(widths)
    for first, last in _spans(groups):
        span = sum(room[first : last + 1]) + len(gap) * (last - first)
        room[first] += max(0, len(groups[first]) - span)
    return room


def _group_line(groups: Sequence[str], widths: Sequence[int], gap: str) -> str:
    """Return the titles of groups, each right-aligned over its columns."""
    spans = _spans(groups)
    over = (groups[first].rjust(sum(widths[first : last + 1]) + len(gap) * (last - first)) for first, last in spans)
    return gap.join([" " * widths[0], *over])


# ------------------------------------------------------------------- too wide
def _with_text(table: Table, width: int) -> list[Styled]:
    """A table whose last column is text: wrapped beside the others or, without room there, below them."""
    rows = [[abbreviated(text_of(cell)) for cell in row] for row in (table.header, *table.all_rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = sum(widths[:-1]) + len(GAP) * (len(widths) - 1)
    if left + min(_NARROWEST_TEXT, widths[-1]) <= width:
        return list(grid(table, exact, width=width))
    alignment, lines = table.alignment[:-1], []
    fits = left - len(GAP) <= width
    for row in rows if fits else rows[1:]:
        head = next(_row(row[:-1], widths[:-1], alignment, GAP)) if fits else GAP.join(row[:-1])
        lines += [head] if fits else wrapped(head, width)
        lines += wrapped(row[-1], width, GAP * 2, GAP * 2) if row[-1] else []
    return [Styled(line) for line in lines]


def _narrowed(table: Table, width: int) -> list[Styled]:
    """A table of numbers: shortened ones, then without optional groups, then with short names and fewer columns."""
    kept = table
    for dropped in ("", *table.optional):
        kept = _only(kept, [i for i, group in enumerate(kept.groups) if group != dropped or not i]) if dropped else kept
        for gap in (GAP, " "):
            lines = list(grid(kept, compact, gap))
            if _width(lines) <= width:
                return [*lines, *_caveats(table, kept, width)]
    while _width(lines) > width and len(kept.header) > 1:
        others = _width(lines) - max(len(text_of(row[0])) for row in kept.all_rows)
        named = _with_names(kept, max(_NARROWEST_NAME, width - others))
        lines = list(grid(named, compact, " "))
        if _width(lines) > width or len({row[0] for row in named.rows}) < len({row[0] for row in kept.rows}):
            kept = _only(kept, range(len(kept.header) - 1))
            lines = list(grid(kept, compact, " "))
    return [*lines, *_caveats(table, kept, width)]


def _only(table: Table, keep: Sequence[int]) -> Table:
    """The table with these columns."""
    header, groups = (tuple(titles[i] for i in keep) for titles in (table.header, table.groups or table.header))
    rows = tuple(tuple(row[i] for i in keep) for row in table.rows)
    total = None if table.total is None else tuple(table.total[i] for i in keep)
    align = "".join(table.alignment[i] for i in keep)
    return replace(table, header=header, groups=groups if table.groups else (), rows=rows, total=total, align=align)


def _with_names(table: Table, room: int) -> Table:
    """The table with the ends of names that are longer than ``room``."""
    names = [text_of(row[0]) for row in table.rows]
    short = [name if len(name) <= room else f"…{name[1 - room :]}" for name in names]
    return replace(table, rows=tuple((name, *row[1:]) for name, row in zip(short, table.rows, strict=True)))


def _caveats(table: Table, kept: Table, width: int) -> list[Styled]:
    """What a narrowed table does not show."""
    groups = table.groups or table.header
    named = [
        group if group not in kept.groups else title
        for group, title in zip(groups, table.titles, strict=True)
        if title not in kept.titles
    ]
    texts = [f"No room here for: {', '.join(dict.fromkeys(named))}."] if named else []
    amounts = [cell for row in kept.all_rows for cell in row if isinstance(cell, int)]
    texts += [ROUNDED] if any(compact(amount) != exact(amount) for amount in amounts) else []
    return [Styled(line, "dim") for text in texts for line in wrapped(text, width)]


# ------------------------------------------------------------------- formulas
def _formulas(table: Table, width: int | None) -> Iterator[Styled]:
    """Yield one line per amount that is not 0: formulas do not fit into columns."""
    for name, *cells in table.all_rows:
        yield Styled(f"{GAP}{text_of(name)}", "cyan")
        for title, cell in zip(table.titles[1:], cells, strict=True):
            if cell != 0:
                line = f"{GAP * 2}{title:<{_TITLE}}{text_of(cell)}"
                margin = " " * (len(GAP) * 2 + _TITLE)
                yield from map(Styled, [line] if width is None else wrapped(line, width, rest=margin))
