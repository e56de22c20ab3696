"""A document as Markdown, with ``$$…$$`` equations and pipe tables."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nncost.documents import document as doc
from nncost.names import printable

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$])")


def render(document: doc.Document, width: int | None = None, encoding: str | None = None) -> str:
    """Return the whole document; lines are as long as their paragraphs."""
    parts = [f"# {escaped(document.title)}"] if document.title else []
    for section in document.sections:
        parts += _section(section)
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Return text in which no character has a meaning in Markdown."""
    return _SPECIAL.sub(r"\\\1", printable(text, "\n"))


def _section(section: doc.Section) -> list[str]:
    title, level = ([f"## {escaped(section.title)}"], "###") if section.title else ([], "##")
    return title + [_block(block, level) for block in section.blocks]


def _block(block: doc.Block, level: str) -> str:
    match block:
        case doc.Paragraph(text=text) | doc.Note(text=text):
            return escaped(text)
        case doc.Shell():
            return f"{escaped(block.lead)}\n\n```sh\n{block.command}\n```"
        case doc.Heading(text=text):
            return f"{level} {escaped(text)}"
        case doc.Equation(maths=maths):
            return f"$$\n{maths.latex}\n$$"
        case doc.Work():
            return _work(block)
        case doc.Table():
            return _table(block)
        case doc.Facts(pairs=pairs):
            return "\n".join(f"- **{escaped(name)}**: {_cell(cell)}" for name, cell in pairs)
        case doc.Chart():
            return f"{level} {escaped(block.title)}\n\n{escaped(block.description)}\n\n{_table(block.table)}"


def _work(work: doc.Work) -> str:
    """Right-aligned results; columns that no line uses are left out."""
    lines = work.all_lines
    columns = [
        ("layer", "l", [_label(line, line is work.total) for line in lines]),
        ("formula", "l", [_cell(line.formula or "") for line in lines]),
        ("numbers", "l", [_cell(line.numbers or "") for line in lines]),
        ("result", "r", [_cell(line.result) for line in lines]),
    ]
    titles, sides, cells = zip(*(column for column in columns if any(column[2])), strict=True)
    return _pipes(titles, "".join(sides), list(zip(*cells, strict=True)))


def _label(line: doc.Line, is_total: bool) -> str:
    return f"**{escaped(line.label)}**" if is_total else escaped(line.label)


def _table(table: doc.Table) -> str:
    rows = [[_cell(cell) for cell in row] for row in table.all_rows]
    if table.total is not None:
        rows[-1][0] = f"**{rows[-1][0]}**"
    return _pipes([escaped(title) for title in table.titles], table.alignment, rows)


def _cell(cell: doc.Cell) -> str:
    return escaped(doc.text_of(cell))


def _pipes(titles: Sequence[str], alignment: str, rows: Sequence[Sequence[str]]) -> str:
    rule = [":--" if side == "l" else "--:" for side in alignment]
    return "\n".join(f"| {' | '.join(row)} |" for row in (titles, rule, *rows))
