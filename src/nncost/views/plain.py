"""Text tables for pipes and narrow terminals: aligned columns, no markup, no imports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from textwrap import wrap

from nncost.dims import Dim
from nncost.report import Report
from nncost.units import compact, exact
from nncost.views.summary import Summary, summarise
from nncost.views.table import Table

GAP = "  "
MAX_NAME = 34
MEMORY = "Memory of one step"
PAGE = 80
ROUNDED = "Numbers above 99,999 are cut to four digits here; --json, --csv and a wider terminal hold all of them."


def plain(
    report: Report, *, by: str = "layer", depth: int | None = None, expand: bool = False, width: int | None = None
) -> str:
    """The report as text. With a ``width``, tables that are too wide hold shortened numbers."""
    summary = summarise(report, by=by, depth=depth, expand=expand)
    return "\n".join(
        [
            summary.title,
            "",
            *fact_lines(summary),
            *body(summary, width),
            *memory_part(summary, width),
            *closing_lines(summary, width),
        ]
    )


def fact_lines(summary: Summary) -> list[str]:
    """Parameters, neurons and settings, aligned."""
    margin = max(len(name) for name, _ in summary.facts)
    return [f"{name:<{margin}}  {text}" for name, text in summary.facts]


def memory_part(summary: Summary, width: int | None) -> list[str]:
    """Memory under its caption, aligned; what is too long for the width goes on below."""
    if not summary.memory:
        return []
    margin = max(len(name) for name, _ in summary.memory) + len(GAP) * 2
    lines = ["", MEMORY]
    for name, text in summary.memory:
        line = f"{GAP}{name:<{margin - len(GAP)}}{text}"
        room = width or (None if summary.symbolic else PAGE)
        lines += [line] if room is None else wrap(line, room, subsequent_indent=" " * margin)
    return lines


def closing_lines(summary: Summary, width: int | None) -> list[str]:
    """Warnings, what is free, the convention, the next command."""
    lines = ["", *summary.warnings, *summary.closing]
    return lines if width is None else [part for line in lines for part in (wrap(line, width) or [""])]


def body(summary: Summary, width: int | None) -> list[str]:
    """All tables, as columns of numbers or as lists of formulas."""
    lines: list[str] = []
    for table in summary.tables:
        lines += ["", table.caption]
        lines += formula_lines(table, width) if summary.symbolic else fitting_grid(table, width)
        lines += list(table.notes)
    return lines


def formula_lines(table: Table, width: int | None) -> list[str]:
    """One line for each amount: formulas do not fit into columns."""
    lines = []
    for name, cells in table.rows:
        lines.append(f"  {name}")
        for group, column, cell in zip(table.groups, table.columns, cells, strict=True):
            if cell != 0:
                title = f"{group} {column}".strip()
                text = f"    {title:<20}{exact(cell)}"
                lines += (
                    [text] if width is None else wrap(text, width, subsequent_indent=" " * 24, break_long_words=False)
                )
    return lines


def fitting_grid(table: Table, width: int | None) -> list[str]:
    """The table with exact numbers where they fit, else shortened, else without its last group of columns."""
    lines = grid(table, exact)
    if width is None or max(map(len, lines)) <= width:
        return lines
    notes = wrap(ROUNDED, width)
    for kept in (table, *_narrower(table)):
        for gap in (GAP, " "):
            lines = grid(kept, compact, gap)
            if max(map(len, lines)) <= width:
                return [*lines, *_left_out(table, kept), *notes]
    return [*(line[:width] for line in lines), *notes]


def _left_out(table: Table, kept: Table) -> list[str]:
    """Which groups of columns did not fit."""
    missing = [group for group in dict.fromkeys(table.groups) if group not in kept.groups]
    return [f"No room here for: {', '.join(missing)}."] if missing else []


def _narrower(table: Table) -> Iterator[Table]:
    """The table without update, then without backward, then with shortened names."""
    for dropped in (("update",), ("update", "backward")):
        keep = [i for i, group in enumerate(table.groups) if group not in dropped]
        if keep:
            rows = [(name, [cells[i] for i in keep]) for name, cells in table.rows if any(cells[i] != 0 for i in keep)]
            table = replace(
                table, groups=[table.groups[i] for i in keep], columns=[table.columns[i] for i in keep], rows=rows
            )
            yield table
    yield replace(table, rows=[(_ending(name), cells) for name, cells in table.rows])


def _ending(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"…{name[1 - MAX_NAME :]}"


def grid(table: Table, text: Callable[[Dim], str], gap: str = GAP) -> list[str]:
    """Aligned columns under their titles."""
    cells = [[name, *(text(cell) for cell in row)] for name, row in table.rows]
    titles = ["", *table.columns]
    widths = [max(len(line[i]) for line in [titles, *cells]) for i in range(len(titles))]
    lines = [_group_line(table.groups, widths, gap)] if any(table.groups) else []
    lines.append(_aligned(titles, widths, gap))
    rule = "-" * len(lines[-1])
    lines.append(rule)
    for number, line in enumerate(cells):
        if table.has_total and number == len(cells) - 1:
            lines.append(rule)
        lines.append(_aligned(line, widths, gap))
    return lines


def _aligned(cells: Sequence[str], widths: Sequence[int], gap: str) -> str:
    first, *rest = cells
    return gap.join([first.ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(rest, widths[1:], strict=True))])


def _group_line(groups: Sequence[str], widths: Sequence[int], gap: str) -> str:
    """Group titles, each right-aligned over its columns."""
    line = " " * widths[0]
    start = 0
    while start < len(groups):
        end = start
        while end + 1 < len(groups) and groups[end + 1] == groups[start]:
            end += 1
        span = sum(widths[1 + start : 2 + end]) + len(gap) * (end - start)
        line += gap + groups[start][:span].rjust(span)
        start = end + 1
    return line
