"""The report as LaTeX: ``tabular`` with booktabs rules."""

from __future__ import annotations

from nncost.dims import Dim, is_symbolic, tidy
from nncost.report import Report
from nncost.units import exact
from nncost.views.plain import MEMORY
from nncost.views.summary import summarise
from nncost.views.table import Table

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "×": r"$\times$", "…": r"\ldots{}", "◄": r"$\triangleleft$",
}  # fmt: skip


def latex(report: Report, *, by: str = "layer", depth: int | None = None, expand: bool = False) -> str:
    r"""A fragment that needs ``\usepackage{booktabs}``."""
    summary = summarise(report, by=by, depth=depth, expand=expand)
    lines = ["% \\usepackage{booktabs}", rf"\paragraph{{{escaped(summary.title)}}}", r"\begin{description}"]
    lines += [rf"  \item[{escaped(name)}] {escaped(text)}" for name, text in summary.facts]
    lines.append(r"\end{description}")
    for table in summary.tables:
        lines += ["", rf"\paragraph{{{escaped(table.caption)}}}", "", *_table(table), *map(escaped, table.notes)]
    if summary.memory:
        lines += ["", rf"\paragraph{{{MEMORY}}}", r"\begin{description}"]
        lines += [rf"  \item[{escaped(name)}] {escaped(text)}" for name, text in summary.memory]
        lines.append(r"\end{description}")
    return "\n".join([*lines, "", *(escaped(line) + r"\\" for line in [*summary.warnings, *summary.closing]), ""])


def _table(table: Table) -> list[str]:
    titles = [f"{group} {column}".strip() for group, column in zip(table.groups, table.columns, strict=True)]
    lines = [
        rf"\begin{{tabular}}{{l{'r' * len(titles)}}}",
        r"\toprule",
        " & ".join(["", *map(escaped, titles)]) + r" \\",
        r"\midrule",
    ]
    for number, (name, cells) in enumerate(table.rows):
        if table.has_total and number == len(table.rows) - 1:
            lines.append(r"\midrule")
        lines.append(" & ".join([escaped(name), *map(_cell, cells)]) + r" \\")
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _cell(amount: Dim) -> str:
    if is_symbolic(amount):
        import sympy

        return f"${sympy.latex(tidy(amount))}$"
    return exact(amount)


def escaped(text: str) -> str:
    """Text with LaTeX's special characters made harmless."""
    return "".join(_SPECIAL.get(character, character) for character in text)
