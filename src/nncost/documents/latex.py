"""A document as a LaTeX fragment, for one that loads ``amsmath`` and ``booktabs``; it is plain ASCII."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from nncost.documents import document as doc
from nncost.documents.narrow import side_by_side
from nncost.documents.page import Page
from nncost.documents.tex import escaped, in_ascii
from nncost.notation.written import tidied

_ROWS = 36
"""Rows in one table, which LaTeX does not break over pages."""
_LONG = 70
"""Characters of a line that fit on a page."""
_APART = "·×+−="
"""Signs that have space around them."""


def render(document: doc.Document, width: int | None = None, encoding: str | None = None) -> str:
    """Return the whole fragment; tables and worked lines have the width of their cells."""
    parts = [r"% Needs \usepackage{amsmath,booktabs} in the preamble."]
    parts += [rf"\section*{{{escaped(document.title)}}}"] if document.title else []
    for section in document.sections:
        parts += [rf"\subsection*{{{escaped(section.title)}}}"] if section.title else []
        parts += [_block(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def _block(block: doc.Block) -> str:
    match block:
        case doc.Paragraph(text=text) | doc.Note(text=text):
            return escaped(text)
        case doc.Shell():
            return rf"{escaped(block.lead)} \texttt{{{escaped(block.command)}}}"
        case doc.Heading(text=text):
            return rf"\paragraph{{{escaped(text)}}}\mbox{{}}"
        case doc.Equation(maths=maths):
            return f"\\[\n{in_ascii(maths.latex)}\n\\]"
        case doc.Work():
            return _work(block)
        case doc.Table():
            return _table(block)
        case doc.Facts(pairs=pairs):
            items = [rf"\item[{{{escaped(name)}}}] {_cell(cell)}" for name, cell in pairs]
            return "\n".join([r"\begin{description}", *items, r"\end{description}"])
        case doc.Chart():
            return rf"\paragraph{{{escaped(block.title)}}} {escaped(block.description)}" + f"\n\n{_table(block.table)}"


# ------------------------------------------------------------------- worked lines and tables
def _work(work: doc.Work) -> str:
    """Each line in columns: label, formula, numbers and result; in tables that fit on a page."""
    short = _short(work.all_lines)
    rows = [row for line in work.lines for row in _rows(line, line in short)]
    if work.total is not None:
        rows[-1] += r" \hline"
        rows += _rows(work.total, work.total in short)
    pages = [rows[first : first + _ROWS] for first in range(0, len(rows), _ROWS)]
    return "\n\n".join(_tabular(r"@{}l@{\quad}l@{}l@{}r@{}", page) for page in pages)


def _short(lines: Sequence[doc.Line]) -> set[doc.Line]:
    """The lines that stand beside each other in columns: all but the longest, which would make the columns too wide."""
    kept = sorted(set(lines), key=lambda line: sum(_sizes(line)))
    while kept and sum(map(max, zip(*map(_sizes, kept), strict=True))) > _LONG:
        kept.pop()
    return set(kept)


def _sizes(line: doc.Line) -> list[int]:
    """About how wide the columns of a line are, in letters; TeX sets signs apart."""
    texts = (maths.text if maths else "" for maths in (line.formula, line.numbers, line.result))
    return [len(line.label), *(len(text) + sum(map(text.count, _APART)) for text in texts)]


def _tabular(columns: str, rows: Sequence[str]) -> str:
    """A table; a row that begins like an option of the line end before it is set apart from it."""
    body = "\n".join(f"{{}}{row}" if row.startswith(("[", "*")) else row for row in rows)
    return f"\\begin{{flushleft}}\n\\begin{{tabular}}{{{columns}}}\n{body}\n\\end{{tabular}}\n\\end{{flushleft}}"


def _rows(line: doc.Line, is_short: bool) -> list[str]:
    """One row; if it is long, the label and each step of the sum have a row of their own."""
    cells, joint = [], ""
    for maths in (line.formula, line.numbers, line.result):
        cells.append("" if maths is None else f"${joint}{in_ascii(maths.latex)}$")
        joint = joint if maths is None else "{} = "
    if is_short:
        return [" & ".join([escaped(line.label), *cells]) + r" \\"]
    label = rf"\multicolumn{{4}}{{@{{}}l@{{}}}}{{{escaped(line.label)}}} \\"
    return [label, *(rf" & \multicolumn{{3}}{{l@{{}}}}{{{cell}}} \\" for cell in cells if cell)]


def _table(table: doc.Table) -> str:
    """Columns of their own width, as many as stand side by side; formulas in a list; a last one of text is a paragraph."""
    if any(doc.is_formula(cell) for row in table.all_rows for cell in row):
        return _pages(rf"@{{}}ll{_paragraph(0)}@{{}}", [], list(_formulas(table)), [])
    if table.alignment[-1] == "l" and len(table.header) > 1:
        texts = [[len(doc.text_of(cell)) for cell in row] for row in (table.header, *table.all_rows)]
        *others, last = map(max, zip(*texts, strict=True))
        is_long = sum(others) + last > _LONG
        return _columns(table, table.alignment[:-1] + (_paragraph(sum(others)) if is_long else "l"))
    return "\n\n".join(_columns(part, part.alignment) for part in side_by_side(table, Page(_LONG)))


def _paragraph(beside: int) -> str:
    """A column of text that takes what is left of a line, but at least half of it."""
    return rf"p{{{max(0.5, 1 - beside / _LONG - 0.1):.2f}\linewidth}}" if beside else r"p{0.5\linewidth}"


def _formulas(table: doc.Table) -> Iterator[str]:
    """Yield a row per amount that is not 0: formulas do not fit side by side."""
    for name, *cells in table.all_rows:
        shown = name
        for title, cell in zip(table.titles[1:], cells, strict=True):
            if cell != 0:
                yield _row((shown, title, cell))
                shown = ""


def _columns(table: doc.Table, columns: str) -> str:
    total = [] if table.total is None else [r"\midrule", _row(table.total)]
    header = [*_groups(table), _row(table.header)]
    return _pages(f"@{{}}{columns}@{{}}", header, [_row(row) for row in table.rows], total)


def _groups(table: doc.Table) -> Iterator[str]:
    """Yield the line with the titles of groups, each over its columns."""
    if any(table.groups):
        groups = [(title, len(list(same))) for title, same in groupby(table.groups[1:])]
        yield " & ".join(["", *(rf"\multicolumn{{{n}}}{{r}}{{{escaped(title)}}}" for title, n in groups)]) + r" \\"


def _pages(columns: str, header: Sequence[str], rows: Sequence[str], total: Sequence[str]) -> str:
    """One table, or several of them if it is longer than a page."""
    pages = [list(rows[first : first + _ROWS]) for first in range(0, len(rows), _ROWS)] or [[]]
    pages[-1] += total
    head = [*header, r"\midrule"] if header else []
    return "\n\n".join(_tabular(columns, [r"\toprule", *head, *page, r"\bottomrule"]) for page in pages)


def _row(cells: Sequence[doc.Cell]) -> str:
    return " & ".join(map(_cell, cells)) + r" \\"


def _cell(cell: doc.Cell) -> str:
    if isinstance(cell, doc.Maths):
        return f"${in_ascii(cell.latex)}$"
    if doc.is_formula(cell):
        return f"${tidied(cell).latex}$"
    return escaped(doc.text_of(cell))
