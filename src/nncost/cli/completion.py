"""``nncost completion`` and what a shell is told: commands, options, and the values of options and arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module

import click
from click.shell_completion import CompletionItem, get_completion_class, shell_complete

from nncost.cli.terminal import put

SHELLS = ("bash", "zsh", "fish")
COMPLETE = "_NNCOST_COMPLETE"
"""The variable in which a shell says that it wants a completion."""
HELP = """Print what makes SHELL complete commands, options and their values. One line in its start file installs it.

\b
  eval "$(nncost completion bash)"          in ~/.bashrc
  eval "$(nncost completion zsh)"           in ~/.zshrc
  nncost completion fish | source           in ~/.config/fish/config.fish
"""


@click.command("completion", help=HELP)
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script of a shell."""
    found = get_completion_class(shell)
    assert found is not None
    put(found(click.Command("nncost"), {}, "nncost", COMPLETE).source() + "\n")


def complete(commands: click.Command, instruction: str) -> int:
    """Tell a shell what can follow; a fault says nothing, since it would stand in the middle of a prompt."""
    try:
        return shell_complete(commands, {}, "nncost", COMPLETE, instruction)
    except Exception:  # noqa: BLE001 - a half-written command line may be anything
        return 1


def completable(command: click.Command) -> None:
    """Let the options and arguments of a command say which values they accept."""
    for parameter in command.params:
        values = _VALUES.get(f"{command.name}.{parameter.name}", _VALUES.get(str(parameter.name)))
        if values is not None:
            parameter.type = values


class Suggested(click.types.StringParamType):
    """Text of which some values are known; others are accepted as well."""

    def __init__(self, values: Callable[[], Iterable[str]]) -> None:
        self._values = values

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the values that begin like that, in any case."""
        wanted = incomplete.lower()
        return [CompletionItem(value) for value in self._values() if value.lower().startswith(wanted)]


class _Path(click.types.StringParamType):
    """A file or a folder, which the shell itself completes."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return which of them the shell is to look for."""
        return [CompletionItem(incomplete, type=self._kind)]


class _SourceOrKind(_Path):
    """A file, or the kind of a chart."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the kinds that begin like that or, if none does, that the shell is to look for files."""
        from nncost.views.charts import KINDS

        kinds = [CompletionItem(kind) for kind in KINDS if incomplete and kind.startswith(incomplete)]
        return kinds or super().shell_complete(ctx, param, incomplete)


def _choice(name: str) -> Suggested:
    return Suggested(lambda: import_module("nncost.pipeline.choices").CHOICES[name])


def _by(view: str) -> Suggested:
    return Suggested(lambda: import_module(f"nncost.views.{view}").BY)


def _groupings() -> Iterable[str]:
    from nncost.views import checkpoint, count

    return dict.fromkeys((*count.BY, *checkpoint.BY))


def _topics() -> Iterable[str]:
    from nncost.explaining.topics import COUNTS, NEURONS, TIME, TOPICS

    return dict.fromkeys((*TOPICS, NEURONS, TIME, *COUNTS, *_quantities()))


def _quantities() -> Iterable[str]:
    """Every path of ``Report.quantity``."""
    from nncost.counting.memory.memory import AMOUNTS
    from nncost.counting.quantities import ALL
    from nncost.ir.graph import PHASES
    from nncost.report import ParameterCounts

    yield from (f"parameters.{name}" for name in ParameterCounts.__match_args__)
    yield "neurons"
    yield from (f"{phase}.{name}" for phase in (*PHASES, "step") for name in (*ALL, "flops"))
    yield from (f"memory.{name}" for name in AMOUNTS)


def _devices() -> Iterable[str]:
    from nncost.timing.devices.catalogue import catalogue

    return (device.name for device in catalogue())


def _documents() -> Iterable[str]:
    from nncost.cli.docs import topics

    return topics()


def _trained(name: str) -> Suggested:
    return Suggested(lambda: getattr(import_module("nncost.trainer.settings"), name))


_VALUES: Mapping[str, Suggested | _Path] = {
    **{name: _choice(name) for name in ("loss", "optimizer", "backward", "mode", "taps", "bias", "activation", "dtype", "allocator")},
    "convention": _choice("convention"), "why": _choice("convention"),
    "by": Suggested(_groupings), "predict.by": _by("predict"),
    "plot.source": _SourceOrKind("file"), "output": _Path("file"), "theme": Suggested(lambda: ("light", "dark")),
    "plot.on": Suggested(lambda: ("this", *_devices())), "plot.by": Suggested(lambda: import_module("nncost.views.charts.time").BY),
    "plot.quantity": Suggested(lambda: import_module("nncost.views.charts.quantities").accepted()),
    "source": _Path("file"), "data": _Path("file"), "save": _Path("dir"), "resume": _Path("dir"),
    "explain.topic": Suggested(_topics), "formula.quantity": Suggested(_quantities),
    "predict.on": Suggested(lambda: ("this", *_devices())), "devices.name": Suggested(lambda: ("fit", *_devices())), "times": _Path("file"), "like": Suggested(_devices), "docs.topic": Suggested(_documents),
    "train.loss": _trained("TRAINED_LOSSES"), "train.dtype": _trained("DTYPES"), "engine": _trained("ENGINES"),
    "task": Suggested(lambda: ("classification", "regression")),
}  # fmt: skip
"""What is known of the values of an option or argument, by its name, or by command and name."""
