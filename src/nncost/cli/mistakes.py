"""The end of every error: the command that was meant, ready to be pasted, or the help of the command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

import click

from nncost.documents.document import Shell
from nncost.errors import Instead, MissingExtraError, NncostError, OptionError, SourceError
from nncost.names import meant, nearest

MAX_SHOWN = 400
"""Characters of a command that is shown again."""
EXAMPLE = "784-16-16-10"
_FEW = 5
_WITH_A_TABLE = ("train",)
"""Commands that need more than a source."""
_ALIKE = 0.65
"""From here on a word is taken for a misspelt one."""
COMMANDS: Mapping[str, str] = {
    "summary": "count", "info": "count", "stats": "count", "params": "count", "parameters": "count", "flops": "count", "macs": "count",
    "profile": "count", "cost": "count", "model": "count", "teach": "explain", "why": "explain", "show": "explain", "derive": "formula",
    "equation": "formula", "time": "predict", "estimate": "predict", "latency": "predict", "speed": "predict", "bench": "measure",
    "benchmark": "measure", "run": "measure", "fit": "train", "learn": "train", "gpus": "devices", "gpu": "devices", "hardware": "devices",
    "ops": "coverage", "operators": "coverage", "draw": "plot", "chart": "plot", "charts": "plot", "graph": "plot", "picture": "plot", "compare": "plot",
    "visualize": "plot", "figure": "plot",
}  # fmt: skip
"""What else people call the commands; only for suggestions."""
OPTIONS: Mapping[str, str] = {
    "batch-size": "batch", "bs": "batch", "batches": "batch", "opt": "optimizer", "optim": "optimizer", "optimiser": "optimizer",
    "criterion": "loss", "loss-fn": "loss", "act": "activation", "nonlinearity": "activation", "precision": "dtype", "type": "dtype",
    "device": "on", "gpu": "on", "hardware": "on", "shape": "input", "input-shape": "input", "input-size": "input", "samples": "examples",
    "rows": "examples", "dataset-size": "examples", "n": "examples", "accumulation": "accumulate", "grad-accum": "accumulate",
    "gradient-accumulation": "accumulate", "symbols": "set", "define": "set", "group": "by", "group-by": "by", "sort": "by",
    "tool": "convention", "memory": "fits", "max-memory": "fits", "lr": "learning-rate", "biases": "bias", "md": "markdown", "tex": "latex",
    "eval": "mode", "levels": "depth", "details": "expand", "value": "at", "subs": "at", "file": "data", "out": "output", "save-as": "output", "range": "over", "metric": "quantity", "limit": "top", "label": "target", "y": "target",
}  # fmt: skip
"""What else people call the options; only for suggestions."""
_VALUES = {
    "batch": "32", "examples": "60000", "accumulate": "2", "depth": "1", "fits": "8GiB", "by": "op", "loss": "squared_error",
    "optimizer": "adam", "mode": "inference", "bias": "none", "activation": "relu", "taps": "valid", "dtype": "float16", "convention": "6nd",
    "allocator": "cuda", "on": "h100", "rows": "10", "theme": "dark", "over": "h=1..1024", "top": "10", "quantity": "parameters",
}  # fmt: skip
"""A value of each option that suits any source of numbers."""


def what_is_wrong(error: click.ClickException, arguments: Sequence[str]) -> str:
    """Return what is wrong with a command line."""
    return _explained(error, arguments)[0]


_ABOUT_SETTING = re.compile(r"([a-z_]+) (?:takes|changes|does|needs|accepts|must|cannot|contradicts|is|has)\b")


def with_dashes(message: str, arguments: Sequence[str]) -> str:
    """Return what is wrong with a setting as it was typed: ``over takes …`` is about ``--over``, if that was given."""
    match = _ABOUT_SETTING.match(message)
    option = "" if match is None else f"--{match[1].replace('_', '-')}"
    is_typed = any(argument == option or argument.startswith(f"{option}=") for argument in arguments)
    return f"{option}{message[match.end(1) :]}" if match is not None and is_typed else message


def next_command(error: Exception, arguments: Sequence[str]) -> Shell | None:
    """Return the command that was meant or, if the error names none, the one that shows the help."""
    text, instead = _explained(error, arguments)
    if instead is not None:
        shown = Shell("Try:", ("nncost", *instead))
        if len(shown.command) <= MAX_SHOWN and shown.command.isprintable():
            return shown
    if "nncost " in text or isinstance(error, (MissingExtraError, SourceError)):
        return None  # its hint is a command, or it is about a file or a model, not about the command
    return Shell("Help:", ("nncost", *_command(arguments), "--help"))


def no_command(name: str, arguments: Sequence[str], commands: Sequence[str]) -> OptionError:
    """Return the error for a first word that is neither a command nor a source."""
    if name.lower() in ("help", "version", "-help", "-version"):
        rest = [argument for argument in arguments[1:] if argument in commands][:1]
        shown = " ".join(["nncost", *rest, f"--{name.lower().strip('-')}"])
        return OptionError(f"there is no command {name!r}.", hint=f"Try:  {shown}")
    close = meant(name, (), COMMANDS) or nearest(name, commands, COMMANDS, likeness=_ALIKE)
    hint = "" if close is None else f"Did you mean {close!r}? "
    return OptionError(
        f"there is no command {name!r}.",
        hint=f"{hint}Commands: {', '.join(commands)}.",
        instead=None if close is None else Instead(name, close),
    )


def _command(arguments: Sequence[str]) -> list[str]:
    """The command that was named, if any."""
    from nncost.cli.main import LazyGroup

    return [argument for argument in arguments[:1] if argument in LazyGroup.names()]


# ------------------------------------------------------------------- the command that was meant
def _explained(error: Exception, arguments: Sequence[str]) -> tuple[str, list[str] | None]:
    """What is wrong, and the arguments with what would be accepted in the place of what was not."""
    if isinstance(error, NncostError):
        return str(error), None if error.instead is None else _replaced(arguments, *error.instead)
    assert isinstance(error, click.ClickException)
    text = error.format_message()
    match error:
        case click.NoSuchOption():
            return _other_option(error, arguments)
        case click.BadOptionUsage(option_name=name) if arguments and arguments[-1] == name:
            value = _VALUES.get(name.lstrip("-"))
            return text, None if value is None else [*arguments, value]
        case click.MissingParameter(param=click.Argument(name="source")):
            return text, [*arguments[:1], EXAMPLE, *arguments[1:]]
        case click.UsageError() if "unexpected extra argument" in error.message:
            return _one_source(error, arguments)
        case _:
            return text, None


def _replaced(arguments: Sequence[str], received: str, accepted: str) -> list[str] | None:
    """The arguments with another value for the one that was received, also behind ``name=`` or before ``:name``.

    Where nothing was received it is added, where nothing is accepted the option is left out.
    """
    if not received:
        return [*arguments, *shlex.split(accepted)]
    if not accepted:
        return _without(arguments, received)
    for place in reversed(range(len(arguments))):
        argument = arguments[place]
        name, equals, value = argument.partition("=")
        changed = None
        if argument == received:
            changed = accepted
        elif equals and value == received:
            changed = f"{name}={accepted}"
        elif argument.startswith((f"{received}:", f"{received}=")):
            changed = accepted + argument.removeprefix(received)
        if changed is not None:
            return [*arguments[:place], changed, *arguments[place + 1 :]]
    return None


def _without(arguments: Sequence[str], option: str) -> list[str] | None:
    """The arguments without every place of an option and its values; if it is not there, of its opposite, ``--no-…``."""
    from nncost.cli.main import LazyGroup

    if not option.startswith("--"):
        return [argument for argument in arguments if argument != option]
    if not _command(arguments):
        return None
    command = LazyGroup.named(arguments[0])
    twins = next((list(each.opts) for each in command.params if option in each.opts), [option])
    option = next((name for name in twins if any(arg.partition("=")[0] == name for arg in arguments)), option)
    forms = [option] if any(arg.partition("=")[0] == option for arg in arguments) else [f"--no-{option[2:]}"]
    flags = [
        name
        for each in command.params
        if getattr(each, "is_flag", False)
        for name in (*each.opts, *each.secondary_opts)
    ]
    left: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        if argument.partition("=")[0] not in forms:
            left.append(argument)
        elif argument in forms and argument not in flags:
            del waiting[:1]
    return left if len(left) < len(arguments) else None


def _other_option(error: click.NoSuchOption, arguments: Sequence[str]) -> tuple[str, list[str] | None]:
    """The option that was meant; a single hyphen before a whole word is one too few."""
    assert error.ctx is not None
    command = error.ctx.command
    known = _options(command)
    letter = error.option_name.lstrip("-")  # of several behind one hyphen it may be any
    places = [i for i, each in enumerate(arguments) if each.startswith("-") and letter in each]
    if not places:
        return f"{error.format_message()} Options: {', '.join(f'--{name}' for name in known)}.", None
    place = next((i for i in places if arguments[i].startswith(error.option_name)), places[0])
    option, equals, value = arguments[place].partition("=")
    word = option.lstrip("-").lower().replace("_", "-")
    text = f"{command.name} has no option {option!r}."
    accepted = f"Options: {', '.join(f'--{name}' for name in known)}."
    if option[1:2].isdigit():
        return f"a source does not begin with a hyphen: {option!r}.", [
            *arguments[:place],
            arguments[place].lstrip("-"),
            *arguments[place + 1 :],
        ]
    if word in ("format", "output", "as") and (value or (arguments[place + 1 : place + 2] or [""])[0]).lower() in known:
        rest = list(arguments[place + (1 if equals else 2) :])
        form = (value or arguments[place + 1]).lower()
        return f"{text} Each format is an option: --{form}. {accepted}", [*arguments[:place], f"--{form}", *rest]
    found = meant(word, known, {alias: name for alias, name in OPTIONS.items() if name in known})
    further = OPTIONS.get(word, word)
    if found is None and (other := _command_with(further)) is not None:
        moved = [*arguments[1:place], f"--{further}{equals}{value}", *arguments[place + 1 :]]
        return f"{text} {other} has --{further}. {accepted}", _accepted_by(other, moved)
    found = found or nearest(word, known, likeness=_ALIKE)
    if found is None:
        return f"{text} {accepted}", None
    shown = [*arguments[:place], f"--{found}{equals}{value}", *arguments[place + 1 :]]
    return f"{text} Did you mean '--{found}'? {accepted}", shown


def _options(command: click.Command) -> list[str]:
    return [name[2:] for parameter in command.params for name in parameter.opts if name.startswith("--")]


def _command_with(option: str) -> str | None:
    """The first command that has the option."""
    from nncost.cli.main import LazyGroup

    return next((name for name in LazyGroup.names() if option in _options(LazyGroup.named(name))), None)


def _accepted_by(name: str, arguments: Sequence[str]) -> list[str] | None:
    """The arguments behind another command, if it takes them."""
    from nncost.cli.main import LazyGroup

    if name in _WITH_A_TABLE:
        return None
    command = LazyGroup.named(name)
    try:
        command.make_parser(click.Context(command)).parse_args(list(arguments))
    except click.ClickException:
        return None
    return [name, *arguments]


def _one_source(error: click.UsageError, arguments: Sequence[str]) -> tuple[str, list[str] | None]:
    """The words that a shell took apart as one source; ``batch=3`` as the option that it is."""
    assert error.ctx is not None
    command = error.ctx.command
    known = _options(command)
    given, extra, _ = command.make_parser(error.ctx).parse_args(list(arguments[1:]))
    text = f"{command.name} does not take {' '.join(map(repr, extra[:_FEW]))}."
    for place, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        if argument in extra and argument.lower() in known:
            return f"{text} An option begins with --.", [
                *arguments[:place],
                f"--{argument.lower()}",
                *arguments[place + 1 :],
            ]
        if equals and option in known:
            return f"{text} An option begins with --.", [
                *arguments[:place],
                f"--{option}",
                value,
                *arguments[place + 1 :],
            ]
    words = [
        word
        for word in (given.get("source"), given.get("quantity"), given.get("topic"), *extra)
        if isinstance(word, str)
    ]
    rest = list(arguments[1:])
    for word in words:
        rest.remove(word)
    if not any(isinstance(parameter, click.Argument) for parameter in command.params):
        return f"{text} It takes options alone.", [arguments[0], *rest]
    if all(_readable(word) == word for word in words):
        return f"{text} It takes one source.", [arguments[0], words[0], *rest]
    source = _readable(" ".join(words))
    text = f"{text} A source with blanks, commas, brackets or arrows stands in quotes."
    return text, None if source is None else [arguments[0], source, *rest]


def _readable(text: str) -> str | None:
    """A source that the text is, or may be meant as; None if it is none."""
    from nncost.frontends.model import LoadOptions
    from nncost.frontends.registry import load

    try:
        load(text, LoadOptions())
    except NncostError as error:
        return None if error.instead is None else error.instead.accepted
    return text
