"""The command line that is running, for views that name the next command."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import click
from click.core import ParameterSource

from nncost.cli.options import count_options
from nncost.views.command import Command

_LONGEST = 1_000
"""Characters of a source that a command repeats."""


def command_line(source: str, *, without: Collection[str] | None = None) -> Command | None:
    """Return the command that runs, with its ``source`` as it was read; None for one that has no place on a line.

    Its options are those that decide what is counted or, ``without`` some, all others.
    """
    text = source.strip()
    if not text.isprintable() or len(text) > _LONGEST:
        return None
    context = click.get_current_context()
    names = {option.name for option in (_shared() if without is None else context.command.params)}
    return Command(text, tuple(_options(context, names.difference(without or ()))))


def _options(context: click.Context, names: Collection[str | None]) -> Iterator[str]:
    """The options of these names, as they were given."""
    for option in context.command.params:
        is_given = option.name and context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
        if isinstance(option, click.Option) and option.name in names and is_given:
            value = context.params[option.name]
            if option.is_flag:
                yield option.opts[0] if value else option.secondary_opts[0]
            else:
                for each in value if option.multiple else (value,):
                    yield from (option.opts[0], str(each))


def _shared() -> list[click.Parameter]:
    """The options of every command that counts."""

    @count_options
    def without() -> None:
        """Hold the options."""

    return list(without.__click_params__)  # type: ignore[attr-defined]
