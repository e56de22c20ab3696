"""An explanation as Markdown, with ``$$…$$`` equations and tables of worked lines."""

from __future__ import annotations

import re

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

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$])")


def render(explanation: Explanation) -> str:
    """The whole document, ending in a newline."""
    parts = [f"# {escaped(explanation.title)}"]
    for section in explanation.sections:
        parts += _section(section)
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text in which no character has a meaning in Markdown."""
    return _SPECIAL.sub(r"\\\1", text)


def _section(section: Section) -> list[str]:
    title = [f"## {escaped(section.title)}"] if section.title else []
    return title + [_block(block) for block in section.blocks]


def _block(block: Block) -> str:
    match block:
        case Paragraph(text=text):
            return escaped(text)
        case Heading(text=text):
            return f"### {escaped(text)}"
        case Equation(maths=maths):
            return f"$$\n{maths.latex}\n$$"
        case Work():
            return _work(block)
        case Table():
            return _table(block)


def _work(work: Work) -> str:
    """Right-aligned results; columns that no line uses are left out."""
    lines = [*work.lines, *([work.total] if work.total is not None else [])]
    columns: list[tuple[str, str, list[Maths | None]]] = [
        ("formula", ":--", [line.formula for line in lines]),
        ("numbers", ":--", [line.numbers for line in lines]),
        ("result", "--:", [line.result for line in lines]),
    ]
    used = [(title, rule, cells) for title, rule, cells in columns if any(cells)]
    rows = [["layer", *(title for title, _, _ in used)], [":--", *(rule for _, rule, _ in used)]]
    for number, line in enumerate(lines):
        rows.append([_label(line, line is work.total), *(_cell(cells[number]) for _, _, cells in used)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _label(line: Line, total: bool) -> str:
    return f"**{escaped(line.label)}**" if total else escaped(line.label)


def _cell(cell: str | Maths | None) -> str:
    return escaped(cell.text if isinstance(cell, Maths) else cell or "")


def _table(table: Table) -> str:
    rows = [
        [escaped(title) for title in table.header],
        [":--"] * len(table.header),
        *([_cell(cell) for cell in row] for row in table.rows),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
