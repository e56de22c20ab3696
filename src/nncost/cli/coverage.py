"""``nncost coverage``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nncost.frontends.operators import TREATMENTS, UNKNOWN
from nncost.frontends.registry import coverage, covered

if TYPE_CHECKING:
    from nncost.frontends.operators import Coverage

HELP = """Which operators of FRAMEWORK, as it is installed here, are counted.

\b
  nncost coverage torch               how many, by namespace
  nncost coverage torch --unknown     the names of those that are not
  nncost coverage torch --json        every overload and how it is treated
"""


@click.command("coverage", help=HELP)
@click.argument("framework", type=click.Choice(list(covered())))
@click.option("--unknown", is_flag=True, help="Only the names of the operators that are not counted.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(framework: str, unknown: bool, as_json: bool) -> None:
    """Print how the operators are treated."""
    found = coverage(framework)
    if as_json:
        click.echo(_json(found, unknown=unknown))
    elif unknown:
        click.echo("\n".join(found.names(UNKNOWN)))
    else:
        click.echo(_text(found))


def _json(coverage: Coverage, *, unknown: bool) -> str:
    import json

    chosen = [o for o in coverage.operators if not unknown or o.treatment == UNKNOWN]
    operators = [{"name": o.name, "overload": o.overload, "treatment": o.treatment} for o in chosen]
    whole = {"framework": coverage.framework, "version": coverage.version, "totals": coverage.amounts()}
    return json.dumps({**whole, "operators": operators})


def _text(coverage: Coverage) -> str:
    lines = [f"{coverage.framework} {coverage.version}: {len(coverage.operators)} overloads of operators", ""]
    lines += [f"  {amount:>5}  {TREATMENTS[name]}" for name, amount in coverage.amounts().items()]
    for namespace in coverage.namespaces:
        amounts = coverage.amounts(namespace)
        lines += ["", f"{namespace}: " + ", ".join(f"{amount} {name}" for name, amount in amounts.items() if amount)]
    return "\n".join(lines)
