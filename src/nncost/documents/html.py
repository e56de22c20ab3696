"""A document as HTML without scripts: a page that stands alone, or a part of another page or of a notebook.

All text is anybody's, names of layers and files above all, and is escaped; the markup is ours alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from itertools import groupby
from typing import TypeVar

from nncost.documents import document as doc
from nncost.documents.mathml import mathml
from nncost.names import printable
from nncost.records import replace
from nncost.units import abbreviated

_SIDES = {"l": "text", "r": "number"}
MAX_ROWS = 200
"""Rows of a table that does not scroll through data: in a notebook, or without scripts."""
_MAX_FORMULA = 4_000
"""Characters of TeX beyond which a formula stands as text: nobody reads it set, and it is slow to set."""


def render(document: doc.Document, width: int | None = None, encoding: str | None = None) -> str:
    """Return a page that stands alone; it follows the width and the colours of its reader."""
    return page(document.title or "nncost", body(document))


def page(title: str, content: str, head: str = "") -> str:
    """Return a page with that title and, as markup, its content and what else its head has."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{style()}</style>\n{head}</head>\n"
        f'<body class="nncost-page">\n<main class="nncost">\n{content}\n</main>\n</body>\n</html>\n'
    )


def fragment(document: doc.Document) -> str:
    """Return a part of a page, its style with it, as a notebook shows it: of a long table the first 200 rows."""
    sections = (
        doc.Section(section.title, tuple(cut(each) for each in section.blocks)) for section in document.sections
    )
    shown = doc.Document(document.title, tuple(sections))
    return f'<div class="nncost">\n<style>{style()}</style>\n{body(shown, level=3)}\n</div>'


@cache
def style() -> str:
    """The style sheet that the markup is made for."""
    return (files("nncost.documents") / "style.css").read_text("utf-8")


def text(string: str) -> str:
    """Return text of anybody as HTML shows it, character by character."""
    return escape(abbreviated(printable(string, "\n\u00a0\u202f")))


def body(document: doc.Document, level: int = 1) -> str:
    """Return title and sections; headings begin at ``level``, sections one below it, and their own headings below these."""
    parts = [f"<h{level}>{text(document.title)}</h{level}>"] if document.title else []
    for section in document.sections:
        below = level + bool(document.title) + bool(section.title)
        inner = "\n".join(block(each, below) for each in section.blocks)
        title = f"<h{below - 1}>{text(section.title)}</h{below - 1}>\n" if section.title else ""
        parts.append(f"<section>\n{title}{inner}\n</section>")
    return "\n".join(parts)


def block(each: doc.Block, level: int = 2) -> str:
    """Return one block; a heading has that level."""
    match each:
        case doc.Paragraph():
            return f"<p>{text(each.text)}</p>"
        case doc.Note():
            return f'<p class="{"warning" if each.is_warning else "note"}">{text(each.text)}</p>'
        case doc.Shell():
            return f'<p class="shell">{text(each.lead)} <code>{text(each.command)}</code></p>'
        case doc.Heading():
            return f"<h{level}>{text(each.text)}</h{level}>"
        case doc.Equation():
            return f'<div class="equation">{_maths(each.maths, is_displayed=True)}</div>'
        case doc.Work():
            return _work(each)
        case doc.Table():
            return table(each)
        case doc.Facts(pairs=pairs):
            items = (f"<div><dt>{text(name)}</dt><dd>{cell(value)}</dd></div>" for name, value in pairs)
            return f"<dl>\n{_lines(items)}\n</dl>"
        case doc.Chart():
            return figure(each)


Kind = TypeVar("Kind", bound=doc.Block)


def cut(each: Kind, most: int = MAX_ROWS) -> Kind:
    """Return a block with the first rows of a long table, and a last one that says how many there are besides."""
    if isinstance(each, doc.Chart):
        return replace(each, table=cut(each.table, most))
    if not isinstance(each, doc.Table) or len(each.rows) <= most:
        return each
    more = f"… {len(each.rows) - most:,} more rows"
    rest = (more, *("" for _ in each.header[1:]))
    return replace(each, rows=(*each.rows[:most], rest))


def cell(value: doc.Cell) -> str:
    """Return a cell's text or formula."""
    if isinstance(value, doc.Maths):
        return _maths(value)
    if doc.is_formula(value):
        from nncost.notation.written import tidied

        return _maths(tidied(value))
    return text(doc.text_of(value))


def table(each: doc.Table) -> str:
    """Return a table, with the titles of groups over their columns and its total as a footer; it scrolls if it is wide."""
    sides = [_SIDES[side] for side in each.alignment]
    header = _row(
        (f'<th scope="col" class="{side}">{text(title)}</th>' for title, side in zip(each.header, sides, strict=True))
    )
    rows = _lines(_cells(row, sides) for row in each.rows)
    total = "" if each.total is None else f"\n<tfoot>\n{_cells(each.total, sides)}\n</tfoot>"
    return (
        f'<div class="wide" tabindex="0" role="group" aria-label="table">\n<table>\n<thead>\n{_groups(each)}{header}\n</thead>\n'
        f"<tbody>\n{rows}\n</tbody>{total}\n</table>\n</div>"
    )


def figure(chart: doc.Chart) -> str:
    """Return a picture with its caption and, folded, its numbers; where pictures cannot be drawn, the numbers."""
    from nncost.documents.pictures import can_draw, inlined

    caption = f"<figcaption>{text(chart.title)}</figcaption>"
    if not can_draw(chart):
        return f"<figure>\n{caption}\n<p>{text(chart.description)}</p>\n{table(chart.table)}\n</figure>"
    numbers = f"<details>\n<summary>The numbers</summary>\n{table(chart.table)}\n</details>"
    drawn = f'<div role="img" aria-label="{text(chart.title)}">{inlined(chart)}</div>'
    picture = f'<div class="picture" tabindex="0" role="group" aria-label="picture">{drawn}</div>'
    return f"<figure>\n{caption}\n{picture}\n<p>{text(chart.description)}</p>\n{numbers}\n</figure>"


def _groups(each: doc.Table) -> str:
    """The line with the titles of groups; nothing without them."""
    if not any(each.groups):
        return ""
    spans = [(title, len(list(same))) for title, same in groupby(each.groups[1:])]
    cells = (
        f'<th scope="colgroup" colspan="{span}" class="number">{text(title)}</th>'
        if title
        else f'<td colspan="{span}"></td>'
        for title, span in spans
    )
    return _row(("<td></td>", *cells)) + "\n"


def _cells(row: Sequence[doc.Cell], sides: Sequence[str]) -> str:
    first = f'<th scope="row" class="{sides[0]}">{cell(row[0])}</th>'
    return _row([first, *(f'<td class="{side}">{cell(c)}</td>' for c, side in zip(row[1:], sides[1:], strict=True))])


def _work(work: doc.Work) -> str:
    """Worked lines: label, formula, numbers and result in columns, below them the sum."""
    lines = [_line(line) for line in work.lines]
    total = "" if work.total is None else f"\n<tfoot>\n{_line(work.total)}\n</tfoot>"
    return f'<div class="wide" tabindex="0" role="group" aria-label="worked lines">\n<table class="work">\n<tbody>\n{_lines(lines)}\n</tbody>{total}\n</table>\n</div>'


def _line(line: doc.Line) -> str:
    cells, joint = [], ""
    for maths in (line.formula, line.numbers):
        cells.append(f"<td>{joint if maths else ''}{cell(maths) if maths else ''}</td>")
        joint = joint if maths is None else "= "
    return _row(
        [
            f'<th scope="row" class="text">{text(line.label)}</th>',
            *cells,
            f'<td class="number">{joint}{cell(line.result)}</td>',
        ]
    )


def _maths(maths: doc.Maths, *, is_displayed: bool = False) -> str:
    """MathML; numbers and giants as text."""
    if maths.text.replace(",", "").isdigit() or len(maths.latex) > _MAX_FORMULA:
        return text(maths.text)
    return mathml(maths.latex, is_displayed=is_displayed)


def _row(cells: Iterator[str] | Sequence[str]) -> str:
    return f"<tr>{''.join(cells)}</tr>"


def _lines(parts: Iterator[str] | Sequence[str]) -> str:
    return "\n".join(parts)
