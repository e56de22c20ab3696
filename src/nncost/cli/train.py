"""``nncost train``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from nncost.__main__ import EXIT_INTERRUPTED
from nncost.cli.messages import say, say_document
from nncost.cli.options import assignments, format_options, show, size, source_text
from nncost.documents.document import Document, Section
from nncost.errors import OptionError
from nncost.ir.training.optimizers import OPTIMIZERS
from nncost.pipeline.choices import accepted_text
from nncost.trainer.settings import DTYPES, ENGINES, TRAINED_LOSSES

if TYPE_CHECKING:
    from nncost.trainer.progress import Progress
    from nncost.trainer.run import PreparedTraining

HELP = """Train the network SPEC on a table: CSV, Parquet or NPZ. It predicts the cost and then measures it.

\b
  nncost train 64-64:relu-10:softmax --data examples/digits.csv --target digit
  nncost train 64-32-10 --data digits.csv --target digit --epochs 20 --batch 32 --optimizer adam
  nncost train "1x8x8, conv 16 3x3, relu, maxpool 2, flatten, dense 10" --data digits.csv --target digit
  nncost train 13-32:relu-1:none --data houses.csv --target price --ignore id           a number: regression
  nncost train 4-16:relu-3:softmax --data iris.parquet --target species --patience 5    stops when it gets no better
  nncost train 64-64:relu-10 --data digits.csv --target digit --save digits             weights, ONNX, checkpoints
  nncost train 64-64:relu-10 --data digits.csv --target digit --resume digits --epochs 40
  nncost train 64-64:relu-10 --data digits.csv --target digit --json | jq .test_accuracy

Inputs are standardised, a share of the rows is kept for the test, classes or a number are recognised by the target.
Ctrl-C finishes the step and saves; --resume goes on as if nothing had happened.

Exit codes: 0 done, 2 wrong usage or bad input, 130 interrupted (and saved).
"""
_NUMBERS = ("epochs", "batch", "patience")
_SHARES = ("learning_rate", "test_share", "validation_share")


@click.command("train", help=HELP)
@click.argument("source", metavar="SPEC")
@click.option("--data", metavar="FILE", help="The table: .csv, .parquet or .npz, one row per example.")
@click.option("--target", metavar="COLUMN", help="The column to be learned; all others are inputs.")
@click.option("--ignore", multiple=True, metavar="COLUMN", help="A column that is no input; repeatable.")
@click.option("--task", metavar="NAME", help="classification or regression (default: recognised).")
@click.option("--epochs", metavar="N", help="Passes over the training rows (default 10).")
@click.option("--batch", metavar="N", help="Rows in a batch (default 32).")
@click.option("--optimizer", metavar="NAME", help=f"{', '.join(OPTIMIZERS)} (default adam).")
@click.option("--learning-rate", metavar="X", help="Default: one per optimizer, adam 0.003, sgd 0.1.")
@click.option("--loss", metavar="NAME", help=f"{', '.join(TRAINED_LOSSES)} (default: by task and last layer).")
@click.option("--seed", metavar="N", help="Decides the split, the first weights and the order (default 0).")
@click.option("--test-share", metavar="X", help="Share of the rows kept for the test (default 0.2).")
@click.option(
    "--validation-share", metavar="X", help="Share that decides when to stop (default 0.1 with --patience, else 0)."
)
@click.option("--patience", metavar="N", help="Stop after N epochs without a lower validation loss, and keep the best.")
@click.option("--engine", metavar="NAME", help=f"{', '.join(ENGINES)} (default auto: PyTorch if it is installed).")
@click.option("--save", metavar="FOLDER", help="Write weights, network, results and a checkpoint each epoch.")
@click.option("--resume", metavar="FOLDER", help="Go on with a training of --save.")
@click.option(
    "--symbol", "--set", "symbols", multiple=True, metavar="NAME=N", help="Give a symbol a value; repeatable."
)
@click.option("--freeze", multiple=True, metavar="LAYER", help="Layers that are not trained; repeatable.")
@click.option("--bias", metavar="WHICH", help=f"{accepted_text('bias', 'all')}: biases of widths such as 64-32-10.")
@click.option(
    "--activation",
    metavar="NAME",
    help=f"Activation of widths such as 64-32-10: {accepted_text('activation', 'sigmoid')}.",
)
@click.option("--dtype", metavar="NAME", help=f"{', '.join(DTYPES)} (default float32).")
@format_options(json="The result as JSON.")
def command(source: str, data: str | None, form: str | None, **options: Any) -> int:
    """Train and show the result."""
    from nncost.api import train_until_interrupted
    from nncost.cli.command import command_line
    from nncost.views.train import decided_document, train_document

    if data is None:
        raise OptionError("nncost train needs a table.", hint="For example: --data examples/digits.csv --target digit")

    def on_start(prepared: PreparedTraining) -> None:
        say_document(decided_document(prepared))

    text = source_text(source)
    with _progress() as on_step:
        training = train_until_interrupted(
            text, data, on_step=on_step, on_start=on_start, **_keywords(options)
        )  # fmt: skip
    show(form, lambda: train_document(training), json=training.to_dict)
    if training.interrupted:
        command = command_line(text, without=("save", "resume", "form"))
        if command is not None:
            again = command.next("train", "--resume", _folder(training.files[0]))
            say("nncost: saved.")
            say_document(Document("", (Section("", (again,)),)))
        return EXIT_INTERRUPTED
    return 0


def _folder(path: str) -> str:
    from pathlib import Path

    return str(Path(path).parent)


def _keywords(options: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in options.items() if value not in (None, ())}
    for name in _NUMBERS:
        if name in given:
            given[name] = size(given[name], f"--{name}", symbolic=False)
    for name in _SHARES:
        if name in given:
            given[name] = _number(given[name], f"--{name.replace('_', '-')}")
    if "seed" in given:
        given["seed"] = 0 if given["seed"] == "0" else size(given["seed"], "--seed", symbolic=False)
    if "symbols" in given:
        given["symbols"] = assignments(given["symbols"], "--symbol")
    return given


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise OptionError(f"{option} takes a number such as 0.01, received {text[:60]!r}") from None


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """A live bar on a terminal, otherwise a line per epoch; both on standard error."""
    from nncost.views.train import epoch_line

    def line(progress: Progress) -> None:
        if progress.finished is not None:
            say(epoch_line(progress, progress.finished))

    if not sys.stderr.isatty():
        yield line
        return
    from nncost.views.training_bar import live

    with live() as on_step:
        yield on_step
