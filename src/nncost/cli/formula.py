"""``nncost formula``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nncost.cli.options import assignments, count_options, keywords, source_text

if TYPE_CHECKING:
    from nncost.dims.formula import Formula

HELP = """The closed form of QUANTITY in every symbol of SOURCE; the main quantities without it.

\b
  nncost formula 784-h-10 parameters
  nncost formula h0-h1-...-hl parameters          any number of layers
  nncost formula 784-h*L-10 backward.mul --batch B --at h=128 --at L=3
  nncost formula "3xHxW, conv 16 3x3 pad=1" forward.macs --latex
  nncost formula 784-h-10 step.flops --python
"""

MAIN = (
    "parameters.total", "forward.mul", "forward.add", "forward.activations", "forward.flops",
    "backward.mul", "backward.add", "update.flops", "step.flops",
)  # fmt: skip


@click.command("formula", help=HELP)
@click.argument("source")
@click.argument("quantity", required=False)
@click.option("--at", multiple=True, metavar="NAME=N", help="Also the value at this size; repeatable.")
@click.option("--latex", "form", flag_value="latex", help="As LaTeX.")
@click.option("--mathml", "form", flag_value="mathml", help="As MathML.")
@click.option("--python", "form", flag_value="python", help="As a Python function on integers.")
@click.option("--json", "form", flag_value="json", help="As JSON.")
@count_options
def command(source: str, quantity: str | None, at: tuple[str, ...], form: str | None, **options: Any) -> None:
    """Print formulas."""
    from nncost.api import settings_of
    from nncost.dims.formula import formula_of
    from nncost.pipeline.report_on import report_on

    report = report_on(source_text(source), settings_of(**keywords(**options)))
    values = assignments(at, "--at")
    chosen = [quantity] if quantity else [path for path in MAIN if report.quantity(path) != 0]
    formulas = []
    for path in chosen:
        amount = report.quantity(path)
        wanted = (
            values
            if quantity
            else {n: v for n, v in values.items() if n in map(str, getattr(amount, "free_symbols", ()))}
        )
        formulas.append(formula_of(path, amount, wanted))
    if form == "json":
        import json

        click.echo(json.dumps([formula.to_dict() for formula in formulas]))
        return
    for number, formula in enumerate(formulas):
        if form is None:
            click.echo(("\n" if number else "") + _text(formula))
        else:
            click.echo({"latex": formula.latex, "mathml": formula.mathml, "python": formula.python}[form]())


def _text(formula: Formula) -> str:
    from nncost.units import exact

    lines = [formula.quantity, f"  = {exact(formula.expanded)}"]
    if not formula.symbols:
        return "\n".join(
            [*lines, "  A number: the source has no symbols. Write a name for a size, e.g. 784-h-10, or --batch B."]
        )
    if str(formula.factored) != str(formula.expanded):
        lines.append(f"  = {formula.factored}")
    lines.append(f"  leading term  {formula.leading}")
    if formula.at:
        sizes = ", ".join(f"{name}={exact(value)}" for name, value in formula.at.items())
        value = exact(formula.value) if formula.value is not None else ""
        lines.append(f"  at {sizes}:  {value}")
    return "\n".join(lines)
