"""``nncost coverage``."""

from __future__ import annotations

import click

from nncost.cli.options import format_options, show
from nncost.cli.terminal import put
from nncost.frontends import registry
from nncost.names import meant
from nncost.pipeline.choices import check_choice

DEFAULT = "torch"
_ALSO = {"pytorch": "torch"}

HELP = """Which operators of FRAMEWORK, as it is installed here, are counted.

\b
  nncost coverage torch               how many, by namespace
  nncost coverage torch --unknown     the names of those that are not
  nncost coverage torch --json        every overload and how it is treated
  nncost coverage onnx                the same of ONNX, by domain
"""


@click.command("coverage", help=HELP)
@click.argument("framework", default=DEFAULT)
@click.option("--unknown", is_flag=True, help="Only the names of the operators that are not counted.")
@format_options(json="As JSON.")
def command(framework: str, unknown: bool, form: str | None) -> None:
    """Print how the operators are treated."""
    from nncost.frontends.operators import UNKNOWN
    from nncost.views.coverage import coverage_data, coverage_document, unknown_document

    known = tuple(sorted(registry.covered(), key=lambda kind: kind != DEFAULT))
    check_choice("framework", found := meant(framework, known, _ALSO) or framework, known, _ALSO)
    coverage = registry.coverage(found)
    if unknown and form is None:
        put("\n".join((*coverage.names(UNKNOWN), "")))
        return
    build = unknown_document if unknown else coverage_document
    show(form, lambda: build(coverage), json=lambda: coverage_data(coverage, unknown=unknown))
