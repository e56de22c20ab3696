"""Entry point of the command line: lazy commands, one message per error, documented exit codes.

0 done, 2 wrong usage or bad input, 3 incomplete (an unknown operation), 130 interrupted.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import click

from nncost.__main__ import EXIT_INTERRUPTED
from nncost.cli.contradictions import check_given
from nncost.cli.help import HelpContext
from nncost.cli.interrupt import end_when_interrupted
from nncost.cli.messages import fail, say
from nncost.cli.terminal import plain_forms
from nncost.documents.document import Shell
from nncost.errors import NncostError
from nncost.names import meant

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

MAX_MESSAGE = 500
EXIT_USAGE, EXIT_INCOMPLETE = 2, 3

_COMMANDS = {
    "count": "Parameters and every operation: forward, backward, update, run.",
    "explain": "The worked arithmetic, layer by layer, as a teacher writes it.",
    "formula": "The closed form of a quantity in every symbol of the source.",
    "predict": "Seconds of a step and a run, here or on a device of the catalogue.",
    "plot": "Charts: cost by layer, memory, roofline, growth, comparisons, drawings.",
    "report": "Everything as one HTML page that can be mailed.",
    "measure": "The real step beside the predicted one: seconds, memory and their ratio.",
    "calibrate": "Measure this machine once, so that predict knows it.",
    "devices": "Calibrated machines and the catalogue of accelerators.",
    "train": "Train a spec on a table, and see how right the prediction was.",
    "coverage": "Which operators of a framework are counted.",
    "web": "The calculator in a browser, and its HTTP API.",
    "docs": "The documents, one page per topic.",
    "completion": "What makes a shell complete commands, options and values.",
}


_SOURCE = re.compile(r"[^A-Za-z]")
"""What no command has in its name, and each source: a digit, a hyphen, a dot."""
COMPLETE = "_NNCOST_COMPLETE"
"""The variable in which a shell says that it wants a completion."""
_VERBOSE_KEY = "nncost.verbose"


def _note_verbose(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    del parameter
    context.meta[_VERBOSE_KEY] = value


def is_verbose() -> bool:
    """Whether the command that runs was given ``--verbose``."""
    return bool(click.get_current_context().meta.get(_VERBOSE_KEY))


_VERBOSE = click.Option(
    ["--verbose"], is_flag=True, expose_value=False, callback=_note_verbose,
    help="Show more: the whole traceback of what a model or a file raises; how a prediction was put together.",
)  # fmt: skip


class LazyGroup(click.Group):
    """Commands whose modules are imported when they are used."""

    context_class = HelpContext

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if cmd_name not in _COMMANDS:
            return None
        command = self.named(cmd_name)
        if _VERBOSE not in command.params:
            command.params.append(_VERBOSE)
            command.context_class = HelpContext
        if ctx.resilient_parsing:  # as in a completion
            from nncost.cli.completion import completable

            completable(command)
        return command

    @staticmethod
    def names() -> list[str]:
        """The names of all commands."""
        return list(_COMMANDS)

    @staticmethod
    def named(name: str) -> click.Command:
        """The command of that name, imported now."""
        return cast("click.Command", import_module(f"nncost.cli.{name}").command)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands that begin like that, without importing them, and the options."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=text) for name, text in _COMMANDS.items() if name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is named first; a source in its place is counted. Raise OptionError for what contradicts itself."""
        args = self.spelled_out(args)
        if ctx.resilient_parsing and args[0] not in _COMMANDS:  # a completion says nothing of mistakes
            return "count", self.get_command(ctx, "count"), args
        if args[0] not in _COMMANDS and not args[0].startswith("-"):
            from nncost.cli.mistakes import no_command

            raise no_command(args[0], args, self.names())
        name, command, rest = super().resolve_command(ctx, args)
        assert command is not None
        check_given(command, rest)
        return name, command, rest

    @staticmethod
    def spelled_out(args: list[str]) -> list[str]:
        """The arguments with the command's own name, and with ``count`` before a source that stands alone."""
        if not args or args[0].startswith("-"):
            return args
        named = meant(args[0], _COMMANDS)
        if named is None and _SOURCE.search(args[0]):
            return ["count", *args]
        return [named or args[0], *args[1:]]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


EXAMPLES = """What does this neural network cost?

\b
  nncost count 784-16-16-10                     parameters and every operation
  nncost count model.onnx --batch 8             a real model file
  nncost count net.py:build --input 1x3x32x32   a PyTorch module
  nncost count 784-h*L-10 --batch B --json      formulas instead of numbers
  nncost explain 784-16-16-10 backward          how the numbers come about
  nncost formula h0-h1-...-hl parameters        the formula for any number of layers
  nncost plot model.onnx layers -o layers.svg   a picture of what each layer costs

Each command has --help with examples.
"""


@click.group(cls=LazyGroup, help=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="nncost", message="nncost %(version)s")
def commands() -> None:
    """Hold the commands."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # A closed pipe ends the program silently.
    end_when_interrupted()
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    digits = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)  # Sizes have up to a thousand digits, so counts have thousands.
    try:
        with plain_forms():
            return _run(arguments)
    finally:
        sys.set_int_max_str_digits(digits)


def _run(arguments: list[str] | None) -> int:
    if sys.stdout is None:
        return _failed("standard output is closed.")
    if COMPLETE in os.environ:
        from nncost.cli.completion import complete

        return complete(commands, os.environ[COMPLETE])
    try:
        result: Any = commands.main(arguments, prog_name="nncost", standalone_mode=False)
        sys.stdout.flush()  # A full disk is told here, not while the interpreter ends.
    except NncostError as error:
        from nncost.cli.mistakes import with_dashes

        _show_traceback(error, arguments)
        error.message = with_dashes(error.message, _given(arguments))
        return _failed_with_advice(error, error, arguments)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return EXIT_USAGE
    except click.ClickException as error:
        from nncost.cli.mistakes import what_is_wrong

        return _failed_with_advice(what_is_wrong(error, _given(arguments)), error, arguments)
    except (KeyboardInterrupt, click.Abort):
        say("nncost: interrupted.")
        return EXIT_INTERRUPTED
    except Exception as error:
        _show_traceback(error, arguments)
        told = getattr(error, "__nncost__", None)
        if told is not None:
            return _failed(_raised_by_model(error, told))
        if isinstance(error, OSError):
            _discard_output()
            return _failed(f"cannot write the output: {error.strerror or error}.")
        if isinstance(error, (MemoryError, RecursionError)):
            return _failed(f"this source is too large to count here ({type(error).__name__}).")
        raise
    except BaseException as error:  # noqa: BLE001 - a model's SystemExit must not pass for a count
        return _failed(f"the model ended the program with {type(error).__name__}.")
    return result if isinstance(result, int) else 0


def _failed_with_advice(message: str | NncostError, error: Exception, arguments: list[str] | None) -> int:
    from nncost.cli.mistakes import next_command

    return _failed(message, next_command(error, _given(arguments)))


def _given(arguments: list[str] | None) -> list[str]:
    return LazyGroup.spelled_out(sys.argv[1:] if arguments is None else arguments)


def _show_traceback(error: Exception, arguments: list[str] | None) -> None:
    """Show where an exception comes from, if that was asked for."""
    if "--verbose" in _given(arguments):
        click.echo("".join(traceback.format_exception(error)), file=sys.stderr)


def _raised_by_model(error: Exception, place: str) -> str:
    """What the user's own model raised, and where: the first line of it and the note."""
    text = _text(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    said = f"{type(error).__name__}: {lines[0][:MAX_MESSAGE]}".rstrip(": ")
    is_about_type = any(word in text for word in ("dtype", "Input type", "scalar type", "Long, Int"))
    hint = "\nAn input has the type of the parameters unless it is given another:  --input ids=1x128:int64"
    from nncost.user_code import last_place

    own = last_place(error)
    return f"the model raised {said}\n{place}{'' if own is None else f', at {own}'}{hint if is_about_type else ''}"


def _text(error: Exception) -> str:
    """What an exception says; nothing if that fails, too."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a model's own
        return ""


def _discard_output() -> None:
    """Send what is still buffered nowhere, so that the interpreter does not try to write it once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _failed(message: str | NncostError, following: Shell | None = None) -> int:
    fail(message, following)
    return EXIT_USAGE
