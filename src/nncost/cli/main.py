"""Entry point of the command line: errors become one message and an exit code."""

from __future__ import annotations

import json
import sys

import click

from nncost.api import count


@click.group()
def commands() -> None:
    """What does this neural network cost?"""


@commands.command("count")
@click.argument("source")
@click.option("--batch", default=None)
@click.option("--json", "as_json", is_flag=True)
def count_command(source: str, batch: str | None, as_json: bool) -> None:
    """Count a network."""
    number = int(batch) if batch and batch.isdigit() else batch
    json.dump(count(source, batch=number).to_dict(), sys.stdout)


def main() -> None:
    """Run the command line."""
    commands()
