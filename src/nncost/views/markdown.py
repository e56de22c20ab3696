"""The report as Markdown."""

from __future__ import annotations

from nncost.report import Report
from nncost.units import exact
from nncost.views.plain import MEMORY
from nncost.views.summary import summarise
from nncost.views.table import Table


def markdown(report: Report, *, by: str = "layer", depth: int | None = None, expand: bool = False) -> str:
    """Headings, facts and pipe tables."""
    summary = summarise(report, by=by, depth=depth, expand=expand)
    lines = [f"# {_escaped(summary.title)}", ""]
    lines += [f"- **{name}**: {_escaped(text)}" for name, text in summary.facts]
    for table in summary.tables:
        lines += ["", f"## {_escaped(table.caption)}", "", *_table(table), *(_escaped(note) for note in table.notes)]
    if summary.memory:
        lines += ["", f"## {MEMORY}", "", *(f"- **{name}**: {_escaped(text)}" for name, text in summary.memory)]
    closing = [*summary.warnings, *summary.closing]
    return "\n".join([*lines, "", *(f"{_escaped(line)}\n" for line in closing)])


def _table(table: Table) -> list[str]:
    titles = [f"{group} {column}".strip() for group, column in zip(table.groups, table.columns, strict=True)]
    lines = ["| | " + " | ".join(titles) + " |", "|---|" + "---:|" * len(titles)]
    lines += [
        "| " + " | ".join([_escaped(name), *(_escaped(exact(cell)) for cell in cells)]) + " |"
        for name, cells in table.rows
    ]
    return lines


def _escaped(text: str) -> str:
    for character in "\\|*_<>[]":
        text = text.replace(character, f"\\{character}")
    return text
