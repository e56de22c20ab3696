"""``nncost predict``."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

from nncost.cli.contradictions import check_table, grouping
from nncost.cli.main import EXIT_INCOMPLETE, is_verbose
from nncost.cli.options import count_options, format_options, keywords, levels, show, source_text

THIS = "this"
HELP = """Predict the seconds of SOURCE: forward, backward, update, step and run, by layer and by cause.

\b
  nncost predict 784-16-16-10 --batch 32                   on this machine, once it is calibrated
  nncost predict 784-16-16-10 --budget 0                   by its operators alone, no step runs
  nncost predict 784-16-16-10 --batch 32 --on h100         on a device of the catalogue: nncost devices
  nncost predict 784-512-512-10 --batch 128 --examples 60000 --epochs 10 --on h100
  nncost predict model.onnx --on a100 --dtype float16      forward only, without a loss
  nncost predict model.onnx --on a100 --compiled           launched as one graph, elementwise operations fused
  nncost predict net.py:build --input 1x3x224x224 --loss cross_entropy --optimizer adamw --on h100 --by phase
  nncost predict 784-16-16-10 --on h100 --json | jq .seconds.step

Exit codes: 0 done, 2 wrong usage or bad input, 3 incomplete (an unknown operation; --allow-unknown accepts it).
"""


@click.command("predict", help=HELP)
@click.argument("source")
@click.option("--on", default=THIS, metavar="DEVICE", help="this machine (default), or a name from nncost devices.")
@click.option(
    "--budget", metavar="TIME", help="Seconds for which steps run here (default 5s; 500ms, 1min; 0 for none)."
)
@click.option(
    "--compiled",
    is_flag=True,
    help="A step launched as one graph, with fused operations; on a device of the catalogue.",
)
@format_options()
@click.option("--by", default="layer", metavar="WHAT", help="Rows by layer (default), op, phase or cause.")
@click.option("--depth", metavar="N", help="Cut layer paths to N names.")
@click.option("--allow-unknown", is_flag=True, help="Exit with 0 although an operation is unknown.")
@count_options
def command(
    source: str,
    on: str,
    budget: str | None,
    compiled: bool,
    form: str | None,
    by: str,
    depth: str | None,
    allow_unknown: bool,
    **options: Any,
) -> int:
    """Predict a source and show the seconds."""
    from nncost.api import predict
    from nncost.cli.command import command_line
    from nncost.pipeline.duration import duration
    from nncost.views.predict import BY, predict_document

    check_table(form, by=by, depth=depth)
    shown, by, text = levels(depth), grouping(by, BY), source_text(source)
    seconds = None if budget is None else duration("--budget", budget)
    with _progress(on) as progress:
        prediction = predict(text, on=on, budget=seconds, compiled=compiled, progress=progress, **keywords(**options))
    show(
        form,
        lambda: predict_document(prediction, by=by, depth=shown, command=command_line(text), verbose=is_verbose()),
        json=prediction.to_dict,
    )
    return 0 if prediction.complete or allow_unknown else EXIT_INCOMPLETE


def _progress(on: str) -> AbstractContextManager[Any]:
    """A bar while operators are timed; a device of the catalogue answers at once."""
    from nncost.cli.progress import progress_bar

    return progress_bar("timing operators") if on == THIS and sys.stderr.isatty() else nullcontext()
