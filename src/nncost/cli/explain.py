"""``nncost explain``."""

from __future__ import annotations

from typing import Any

import click

from nncost.cli.options import count_options, format_options, keywords, show, source_text

HELP = """Work out the numbers of SOURCE, layer by layer. TOPIC is a topic or one quantity; all topics without it.

\b
  nncost explain 784-16-16-10                    everything
  nncost explain 784-16-16-10 parameters         12,960 weights + 42 biases
  nncost explain 30-30-30 forward                900 or 1,800 multiplications?
  nncost explain 784-16-16-10 backward           which derivatives, and what they cost
  nncost explain 784-16-16-10 update --optimizer adam
  nncost explain 784-16-16-10 run --examples 60000 --epochs 10 --batch 32
  nncost explain "3x32x32, conv 16 3x3, relu" forward.mul --latex
  nncost explain 784-16-16-10 time               why it takes so long here, and what would help
  nncost explain net.py:build time --input 8x3x64x64 --loss cross_entropy --optimizer adam
  nncost explain gpt2/config.json --why fvcore   where another tool's number comes from

Topics: shapes, parameters, forward, loss, backward, update, step, run, memory, neurons, time. Quantities: mul, add, flops and so on in
all phases, or by their path in the JSON, as forward.mul and memory.step_peak.
"""


@click.command("explain", help=HELP)
@click.argument("source")
@click.argument("topic", required=False)
@format_options("csv", json="Its blocks as JSON.")
@click.option("--why", metavar="NAME", help="Where another tool's number differs: a convention such as fvcore.")
@count_options
def command(source: str, topic: str | None, form: str | None, why: str | None, **options: Any) -> None:
    """Explain a source."""
    from nncost.api import explain

    explanation = explain(source_text(source), topic, why=why, **keywords(**options))
    show(form, lambda: explanation)
