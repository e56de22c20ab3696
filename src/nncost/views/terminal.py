"""The report on a terminal: the same tables, with weight and colour."""

from __future__ import annotations

from nncost.report import Report
from nncost.views.memory import PEAK
from nncost.views.plain import closing_lines, fact_lines, fitting_grid, formula_lines, memory_part
from nncost.views.summary import summarise
from nncost.views.table import Table


def show(report: Report, *, by: str = "layer", depth: int | None = None, expand: bool = False) -> None:
    """Print the report to the terminal at its width."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    width = console.width
    summary = summarise(report, by=by, depth=depth, expand=expand)
    console.print(Text(summary.title, style="bold"))
    console.print()
    for line in fact_lines(summary):
        name, _, rest = line.partition("  ")
        console.print(Text.assemble((name, "cyan"), "  ", rest), soft_wrap=False)
    for table in summary.tables:
        console.print()
        console.print(Text(table.caption, style="bold"))
        lines = formula_lines(table, width) if summary.symbolic else fitting_grid(table, width)
        for number, line in enumerate(lines):
            console.print(Text(line, style=_style(table, lines, number, summary.symbolic)), soft_wrap=True)
        for note in table.notes:
            console.print(Text(note, style="yellow"))
    for number, line in enumerate(memory_part(summary, width)):
        console.print(Text(line, style="bold" if number == 1 else ""))
    warnings = set(summary.warnings)
    for line in closing_lines(summary, width):
        console.print(Text(line, style="bold red" if line in warnings or line.startswith("INCOMPLETE") else "dim"))


def _style(table: Table, lines: list[str], number: int, symbolic: bool) -> str:
    line = lines[number]
    if symbolic:
        return "" if line.startswith("    ") else "cyan"
    heads = 2 if any(table.groups) else 1
    if number < heads or set(line) == {"-"}:
        return "dim"
    return "bold" if line.startswith(("total", "flops")) or PEAK in line else ""
