"""``nncost formula``."""

from __future__ import annotations

from typing import Any

import click

from nncost.cli.main import EXIT_INCOMPLETE
from nncost.cli.options import assignments, count_options, format_options, keywords, show, source_text

HELP = """The closed form of QUANTITY in every symbol of SOURCE; the main quantities without it.

\b
  nncost formula 784-h-10 parameters
  nncost formula h0-h1-...-hl parameters          any number of layers
  nncost formula 784-h*L-10 backward.mul --batch B --at h=128 --at L=3
  nncost formula "3xHxW, conv 16 3x3 pad=1" forward.macs --latex
  nncost formula 784-h-10 step.flops --python

Exit codes: 0 done, 2 wrong usage or bad input, 3 incomplete (an unknown operation).
"""


@click.command("formula", help=HELP)
@click.argument("source")
@click.argument("quantity", required=False)
@click.option("--at", multiple=True, metavar="NAME=N", help="Also the value at this size; repeatable.")
@format_options("csv", latex="The formula as LaTeX.", json="As JSON.")
@click.option("--mathml", "form", flag_value="mathml", help="The formula as MathML.")
@click.option("--python", "form", flag_value="python", help="As a Python function on integers.")
@count_options
def command(source: str, quantity: str | None, at: tuple[str, ...], form: str | None, **options: Any) -> int:
    """Print formulas."""
    from nncost.documents.document import Note
    from nncost.pipeline.keywords import settings_of
    from nncost.pipeline.report_on import report_on
    from nncost.views.count import warnings
    from nncost.views.formula import formula_document, formulas_of

    report = report_on(source_text(source), settings_of(**keywords(**options)))
    formulas = formulas_of(report, quantity, assignments(at, "--at"))
    notes = [*warnings(report), *map(Note, report.notes)]
    show(
        form,
        lambda: formula_document(formulas, notes),
        json=lambda: [formula.to_dict() for formula in formulas],
        latex=lambda: "\n".join(formula.latex() for formula in formulas),
        mathml=lambda: "\n".join(formula.mathml() for formula in formulas),
        python=lambda: "\n".join(formula.python() for formula in formulas),
    )
    return 0 if report.complete else EXIT_INCOMPLETE
