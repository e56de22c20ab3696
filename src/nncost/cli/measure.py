"""``nncost measure``."""

from __future__ import annotations

from typing import Any

import click

from nncost.cli.contradictions import LAYER, check_table
from nncost.cli.options import count_options, format_options, keywords, show, size, source_text
from nncost.views import MAX_ROWS

HELP = """Run the real step of SOURCE and show predicted · measured · ratio: seconds, memory, layers.

\b
  nncost measure 784-16-16-10 --batch 32
  nncost measure 784-512-512-10 --batch 128 --optimizer adam
  nncost measure model.onnx --loss cross_entropy --optimizer sgd
  nncost measure net.py:build --input 8x3x64x64 --loss cross_entropy --optimizer adamw
  nncost measure 784-16-16-10 --json | jq .ratio.seconds.step

A copy of the network runs in PyTorch on random inputs; specs and ONNX files are built as modules.
Ratios are predicted ÷ measured. Seconds are predicted once the machine is calibrated: nncost calibrate.
"""


@click.command("measure", help=HELP)
@click.argument("source")
@format_options()
@click.option("--rows", "limit", metavar="N", help=f"Layers to show (default {MAX_ROWS}).")
@count_options
def command(source: str, form: str | None, limit: str | None, **options: Any) -> int:
    """Measure a source and show it beside the prediction."""
    from nncost.api import measure
    from nncost.cli.progress import progress_bar
    from nncost.views.measure import measure_document

    rows = MAX_ROWS if limit is None else int(size(limit, "--rows", symbolic=False))
    check_table(form, by=LAYER, rows=limit is not None)
    with progress_bar("measuring") as progress:
        measurement = measure(source_text(source), progress=progress, **keywords(**options))
    show(form, lambda: measure_document(measurement, limit=rows), json=measurement.to_dict)
    return 0
