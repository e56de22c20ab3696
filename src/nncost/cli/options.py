"""Options that every command shares: the command-line twins of ``nncost.count``'s keywords."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nncost.cli.terminal import has_colour, page_width, put
from nncost.documents import FORMATS, PLAIN, TERMINAL
from nncost.errors import Instead, OptionError
from nncost.frontends.arguments import MAX_NAME_LENGTH, inputs_of
from nncost.pipeline.choices import WEIGHTS_ONLY, accepted_text, chosen
from nncost.units import whole_meant

MAX_DIGITS = 1_000
_SHOWN = 60
_SOME = 128
MAX_STANDARD_INPUT = 4_000_000
_NAME = re.compile(rf"[A-Za-z_][A-Za-z0-9_]{{0,{MAX_NAME_LENGTH - 1}}}\Z")
Command = TypeVar("Command", bound=Callable[..., Any])

if TYPE_CHECKING:
    from nncost.documents.document import Document

_OPTIONS = (
    click.option("--batch", metavar="N|NAME", help="Examples in a batch, or a symbol such as B."),
    click.option("--symbol", "--set", "symbols", multiple=True, metavar="NAME=N", help="Give a symbol a value; repeatable."),
    click.option("--input", "inputs", multiple=True, metavar="[NAME=]SHAPE", help="Input of a file or module, as 1x3x224x224 or ids=1x128:int64; repeatable."),
    click.option("--loss", metavar="NAME", help=f"{accepted_text('loss')}; own for a model that computes one."),
    click.option("--optimizer", metavar="NAME", help=f"{accepted_text('optimizer')}; all of torch.optim for a module."),
    click.option("--examples", metavar="N|NAME", help="Training examples: adds the whole run."),
    click.option("--epochs", metavar="N", help="Passes over the examples (default 1)."),
    click.option("--accumulate", metavar="N", help="Batches whose gradients are added before an update (default 1)."),
    click.option("--freeze", multiple=True, metavar="LAYER", help="Layers that are not trained, as dense.1 or conv.*; repeatable."),
    click.option("--mode", metavar="NAME", help=f"{accepted_text('mode')}: dropout and batch norm (default: train with a loss)."),
    click.option("--bias", metavar="WHICH", help=f"{accepted_text('bias', 'all')}: biases of widths such as 784-16-10."),
    click.option("--no-bias", is_flag=True, help="The same as --bias none."),
    click.option("--activation", metavar="NAME", help=f"Activation of widths such as 784-16-10: {accepted_text('activation', 'sigmoid')}."),
    click.option("--taps", metavar="WHICH", help="dense counts products with padding, valid leaves them out."),
    click.option("--dtype", metavar="NAME", help=f"{accepted_text('dtype', 'float32')}: sets the bytes; {', '.join(WEIGHTS_ONLY)} those of a configuration's weights."),
    click.option("--convention", metavar="NAME", help=f"What a flop is: {accepted_text('convention', 'nncost')}."),
    click.option("--backward", metavar="NAME", help=f"{accepted_text('backward', 'auto')}."),
    click.option("--allocator", metavar="NAME", help=f"{accepted_text('allocator', 'exact')}: peaks of memory, exact or in blocks of PyTorch's caching allocator."),
    click.option("--reuse/--no-reuse", default=True, help="Analyse layers of a module that are alike once (default), or each."),
    click.option("--learn/--no-learn", default=None, help="Run every operator of a module whose workspace is unknown alone to learn it, or none (default: cheap ones)."),
)  # fmt: skip


def count_options(command: Command) -> Command:
    """Add the shared options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def format_options(*without: str, **helps: str) -> Callable[[Command], Command]:
    """Return a decorator that adds an option per output format, as ``form``: all ``without`` some, with other ``helps``."""

    def add(command: Command) -> Command:
        for name in reversed([name for name in FORMATS if name not in (TERMINAL, *without)]):
            text = helps.get(name, FORMATS[name].help)
            command = click.option(f"--{name}", "form", flag_value=name, help=text)(command)
        return command

    return add


def show(form: str | None, document: Callable[[], Document], **own: Callable[[], Any]) -> None:
    """Print a result in the format ``form``, or in the one that suits standard output.

    ``document`` builds it; ``own`` are the formats that the result has itself: ``json`` returns its data, others text.
    """
    if form in own:
        found = own[form]()
        if form == "json":
            import json

            found = json.dumps(found)
        put(found.removesuffix("\n") + "\n")
        return
    suits = TERMINAL if has_colour(sys.stdout) else PLAIN
    put(document().render(form or suits, page_width(sys.stdout), sys.stdout.encoding))


def levels(depth: str | None) -> int | None:
    """Return the number of ``--depth``. Raise OptionError if it is not a number."""
    return None if depth is None else int(size(depth, "--depth", symbolic=False))


def keywords(
    *,
    batch: str | None,
    symbols: tuple[str, ...],
    inputs: tuple[str, ...],
    examples: str | None,
    epochs: str | None,
    accumulate: str | None,
    bias: str | None,
    no_bias: bool,
    **others: Any,
) -> dict[str, Any]:
    """Return the keywords of ``nncost.count`` that the options stand for."""
    if no_bias and bias is not None and chosen("bias", bias) != "none":
        raise OptionError(f"--no-bias contradicts --bias {bias[:_SHOWN]}.", instead=Instead("--bias", ""))
    given = {name: value for name, value in others.items() if value not in (None, ())}
    numbers = {"batch": batch, "examples": examples, "epochs": epochs, "accumulate": accumulate}
    symbolic = ("batch", "examples")
    given |= {name: size(value, f"--{name}", name in symbolic) for name, value in numbers.items() if value is not None}
    if symbols:
        given["symbols"] = assignments(symbols, "--symbol")
    if inputs:
        given["inputs"] = inputs_of(inputs)
    if no_bias or bias is not None:
        given["bias"] = "none" if no_bias else bias
    return given


def assignments(texts: tuple[str, ...], option: str) -> dict[str, int]:
    """Return ``("h=128", "L=12")`` as a dict. Raise OptionError for anything else."""
    result: dict[str, int] = {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        if not equals or not (_NAME.match(name) or _is_odd_name(name)):
            written = re.fullmatch(r"([A-Za-z_]\w*)(?:\s*[:=]\s*(\d+))?", text)
            instead = None if written is None else Instead(text, f"{written[1]}={written[2] or _SOME}")
            raise OptionError(
                f"{option} takes NAME=N, received {_shown(text)}",
                hint=f"For example: {option} h={_SOME}",
                instead=instead,
            )
        number = size(value, f"{option} {name}", symbolic=False)
        assert isinstance(number, int)
        if result.setdefault(name, number) != number:
            raise OptionError(f"{option} gives {name} two values: {result[name]} and {number}.")
    return result


def _is_odd_name(name: str) -> bool:
    """Whether a file may call a size so: ``batch size``, ``unk.1``; a slip such as ``h =128`` is none."""
    plain = name.isprintable() and name == name.strip() and "=" not in name and len(name) <= MAX_NAME_LENGTH
    return plain and any(map(str.isalpha, name))


def size(text: str, option: str, symbolic: bool) -> int | str:
    """Return a number ≥ 1, or a name if symbols are allowed. Raise OptionError for anything else."""
    if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS:
        number = int(text)
        if number >= 1:
            return number
    elif symbolic and _NAME.match(text):
        return text
    kinds = "a whole number ≥ 1 or a name" if symbolic else "a whole number ≥ 1"
    close = whole_meant(text.removeprefix("-"))
    instead = None if close is None else Instead(text, close if close.strip("0") else "1")
    if symbolic and len(text) > MAX_NAME_LENGTH and text.isidentifier():
        kinds = f"{kinds} of at most {MAX_NAME_LENGTH} characters"
    if text.isdigit() and len(text) > MAX_DIGITS:
        kinds = f"{kinds} of at most {MAX_DIGITS:,} digits"
    raise OptionError(f"{option} takes {kinds}, received {_shown(text)}", instead=instead)


def _shown(text: str) -> str:
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}… ({len(text):,} characters)"


def source_text(source: str) -> str:
    """Return the source itself, or standard input for ``-``."""
    if source != "-":
        return source
    text = sys.stdin.buffer.read(MAX_STANDARD_INPUT + 1)
    if len(text) > MAX_STANDARD_INPUT:
        raise OptionError(f"standard input holds more than {MAX_STANDARD_INPUT:,} bytes.")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise OptionError(f"standard input is not UTF-8 text (byte {error.start}).") from None
