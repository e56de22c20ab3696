"""``nncost count``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from nncost.cli.contradictions import check_table, grouping
from nncost.cli.main import EXIT_INCOMPLETE
from nncost.cli.options import count_options, format_options, keywords, levels, show, source_text
from nncost.errors import Instead, OptionError

if TYPE_CHECKING:
    from nncost.report import Report

HELP = """Count parameters, operations and bytes of SOURCE: a spec, a file, a PyTorch module, or - for standard input.

\b
  nncost count 784-16-16-10
  nncost count 784-128:relu-64:relu-10:softmax --batch 64 --optimizer adam
  nncost count 784-16-16-10 --examples 60000 --epochs 10 --batch 32
  nncost count "3x32x32, conv 16 3x3, relu, maxpool 2, flatten, dense 10"
  nncost count "16x8, lstm 32 last, dense 2" --by op
  nncost count 784-h-h-10 --batch B              formulas in h and B
  nncost count 784-512-10 --optimizer adam --fits 8GiB      the largest batch; --by memory shows the timeline
  nncost count model.onnx --loss cross_entropy --optimizer sgd
  nncost count model.onnx --json | jq .totals.forward.macs
  nncost count net.py:build --input 1x3x224x224 --loss cross_entropy --optimizer adamw      a PyTorch module
  nncost count package.module:Net --input ids=1x128:int64 --input mask=1x128:bool
  nncost count model.safetensors --by dtype      a checkpoint: parameters and bytes (.gguf .npz .h5 .pt too)

Exit codes: 0 done, 2 wrong usage or bad input, 3 incomplete (an unknown operation; --allow-unknown accepts it).
"""


@click.command("count", help=HELP)
@click.argument("source")
@format_options(csv="One line per layer, operation and phase; with --by, --depth or --expand the table they show.")
@click.option(
    "--by", default="layer", metavar="WHAT", help="Rows by layer (default), op, phase, memory; dtype, tensor."
)
@click.option("--depth", metavar="N", help="Cut layer paths to N names.")
@click.option("--expand", is_flag=True, help="Open equal layers, and show the operations inside each.")
@click.option(
    "--shapes", is_flag=True, help="Show what each layer returns, also where that leaves no room for other columns."
)
@click.option("--fits", metavar="BYTES", help="Also the largest batch whose step takes no more, e.g. 8GiB.")
@click.option("--allow-unknown", is_flag=True, help="Exit with 0 although an operation is unknown.")
@count_options
def command(
    source: str,
    form: str | None,
    by: str,
    depth: str | None,
    expand: bool,
    shapes: bool,
    fits: str | None,
    allow_unknown: bool,
    **options: Any,
) -> int:
    """Count a source and show the report."""
    from nncost.api import count
    from nncost.cli.command import command_line
    from nncost.cli.shown_sizes import at_sizes
    from nncost.views.report import report_csv, report_document

    check_table(form, by=by, depth=depth, expand=expand, shapes=shapes)
    text, shown = source_text(source), levels(depth)
    given = keywords(**options)
    report = count(text, fits=fits, **given)
    if form is None:
        report = at_sizes(text, report, given)
    by = _grouping(report, by, expand)
    chosen: dict[str, Any] = {"by": by, "depth": shown, "expand": expand, "shapes": shapes or None}
    own: dict[str, Callable[[], Any]] = {"json": report.to_dict}
    if by == "layer" and depth is None and not expand:
        own["csv"] = lambda: report_csv(report)
    show(form, lambda: report_document(report, **chosen, command=command_line(text)), **own)
    return 0 if report.complete or allow_unknown else EXIT_INCOMPLETE


def _grouping(report: Report, by: str, expand: bool) -> str:
    """What the rows are grouped by. Raise OptionError for what rows of this source do not have."""
    if report.storage is None:
        from nncost.views.count import BY

        return grouping(
            by, BY, "Rows by dtype or tensor are those of a checkpoint." if by in ("dtype", "tensor") else ""
        )
    from nncost.views.checkpoint import BY as STORED

    if expand:
        raise OptionError("a checkpoint has no operations to show.", instead=Instead("--expand", ""))
    return grouping(by, STORED, "A checkpoint has no operations.")
