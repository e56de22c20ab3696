"""A document as a LaTeX fragment, for one that loads ``amsmath`` and ``booktabs``; it is plain ASCII."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from nncost.dims import tidy
from nncost.documents import document as doc

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "“": "``", "”": "''", "’": "'", "–": "--", "—": "---", "…": r"\dots{}",
}  # fmt: skip
_SYMBOLS = {
    "·": r"\cdot", "×": r"\times", "−": "-", "→": r"\to", "←": r"\leftarrow", "≈": r"\approx", "≥": r"\ge", "≤": r"\le",
    "∂": r"\partial", "Σ": r"\Sigma", "√": r"\surd", "½": r"\tfrac12", "⊙": r"\odot", "⌈": r"\lceil", "⌉": r"\rceil",
    "⌊": r"\lfloor", "⌋": r"\rfloor", "α": r"\alpha", "β": r"\beta", "γ": r"\gamma", "δ": r"\delta", "ε": r"\varepsilon",
    "η": r"\eta", "λ": r"\lambda", "μ": r"\mu", "π": r"\pi", "σ": r"\sigma", "Φ": r"\Phi", "φ": r"\varphi",
    "µ": r"\mu", "÷": r"\div", "◄": r"\triangleleft", "ᵀ": r"^{\mathsf T}", "ᵢ": "_i", "₁": "_1", "₂": "_2",
}  # fmt: skip
_SYMBOLS |= {digit: f"^{number}" for number, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
_HAT = "\u0302"
_ROWS = 36
"""Worked lines in one table, which LaTeX does not break over pages."""
_LONG = 70
"""Characters of a line that fit on a page."""


def render(document: doc.Document, width: int | None = None) -> str:
    """Return the whole fragment; tables and worked lines have the width of their cells."""
    parts = [r"% Needs \usepackage{amsmath,booktabs} in the preamble."]
    parts += [rf"\section*{{{escaped(document.title)}}}"] if document.title else []
    for section in document.sections:
        parts += [rf"\subsection*{{{escaped(section.title)}}}"] if section.title else []
        parts += [_block(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Return text with every special character and every sign outside ASCII as a command."""
    return "".join(_character(character) for character in _hats(text))


def _hats(text: str) -> list[str]:
    """Characters, each with a hat that stands over it."""
    result: list[str] = []
    for character in unicodedata.normalize("NFC", text):
        if character == _HAT and result:
            result[-1] += character
        else:
            result.append(character)
    return result


def _character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character in _SYMBOLS:
        return f"${_SYMBOLS[character]}$"
    decomposed = unicodedata.normalize("NFD", character)
    if decomposed.endswith(_HAT):
        return rf"$\hat {decomposed[0]}$"
    return character if character.isascii() else f"[U+{ord(character[0]):04X}]"


def _block(block: doc.Block) -> str:
    match block:
        case doc.Paragraph(text=text) | doc.Note(text=text):
            return escaped(text)
        case doc.Shell():
            return rf"{escaped(block.lead)} \texttt{{{escaped(block.command)}}}"
        case doc.Heading(text=text):
            return rf"\paragraph{{{escaped(text)}}}\mbox{{}}"
        case doc.Equation(maths=maths):
            return f"\\[\n{maths.latex}\n\\]"
        case doc.Work():
            return _work(block)
        case doc.Table():
            return _table(block)
        case doc.Facts(pairs=pairs):
            items = [rf"\item[{{{escaped(name)}}}] {_cell(cell)}" for name, cell in pairs]
            return "\n".join([r"\begin{description}", *items, r"\end{description}"])


# ------------------------------------------------------------------- worked lines and tables
def _work(work: doc.Work) -> str:
    """Each line in columns: label, formula, numbers and result; tables that fit on a page."""
    rows = [row for line in work.lines for row in _rows(line)]
    if work.total is not None:
        rows[-1] += r" \hline"
        rows += _rows(work.total)
    pages = [rows[first : first + _ROWS] for first in range(0, len(rows), _ROWS)]
    return "\n\n".join(_tabular(r"@{}l@{\quad}l@{}l@{}r@{}", page) for page in pages)


def _tabular(columns: str, rows: Sequence[str]) -> str:
    body = "\n".join(rows)
    return f"\\begin{{flushleft}}\n\\begin{{tabular}}{{{columns}}}\n{body}\n\\end{{tabular}}\n\\end{{flushleft}}"


def _rows(line: doc.Line) -> list[str]:
    """One row; if it is long, the label and each step of the sum have a row of their own."""
    cells, joint = [], ""
    for maths in (line.formula, line.numbers, line.result):
        cells.append("" if maths is None else f"${joint}{maths.latex}$")
        joint = joint if maths is None else "{} = "
    if len(_texts(line)) <= _LONG:
        return [" & ".join([escaped(line.label), *cells]) + r" \\"]
    label = rf"\multicolumn{{4}}{{@{{}}l@{{}}}}{{{escaped(line.label)}}} \\"
    return [label, *(rf" & \multicolumn{{3}}{{l@{{}}}}{{{cell}}} \\" for cell in cells if cell)]


def _texts(line: doc.Line) -> str:
    return line.label + "".join(maths.text for maths in (line.formula, line.numbers, line.result) if maths is not None)


def _table(table: doc.Table) -> str:
    """Columns of their own width; a last one of text is a paragraph."""
    is_text = table.alignment[-1] == "l" and len(table.header) > 1 and all(isinstance(r[-1], str) for r in table.rows)
    columns = table.alignment[:-1] + (r"p{0.5\linewidth}" if is_text else table.alignment[-1])
    rows = [" & ".join(map(_cell, row)) + r" \\" for row in table.rows]
    total = [] if table.total is None else [r"\midrule", " & ".join(map(_cell, table.total)) + r" \\"]
    header = " & ".join(map(escaped, table.titles)) + r" \\"
    return _tabular(f"@{{}}{columns}@{{}}", [r"\toprule", header, r"\midrule", *rows, *total, r"\bottomrule"])


def _cell(cell: doc.Cell) -> str:
    if isinstance(cell, doc.Maths):
        return f"${cell.latex}$"
    if doc.is_formula(cell):
        import sympy

        return f"${sympy.latex(tidy(cell))}$"
    return escaped(doc.text_of(cell))
