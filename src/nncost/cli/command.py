"""The command line that is running, for views that name the next command."""

from __future__ import annotations

from collections.abc import Iterator

import click
from click.core import ParameterSource

from nncost.cli.options import count_options
from nncost.views.command import Command

_LONGEST = 1_000
"""Characters of a source that a command repeats."""


def command_line(source: str) -> Command | None:
    """Return the command that runs, with its ``source`` as it was read; None for one that has no place on a line."""
    text = source.strip()
    if "\n" in text or len(text) > _LONGEST:
        return None
    context = click.get_current_context()
    return Command(str(context.info_name), text, tuple(_options(context)))


def _options(context: click.Context) -> Iterator[str]:
    """The options that decide what is counted, as they were given."""
    shared = {option.name for option in _shared()}
    for option in context.command.params:
        is_given = option.name and context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
        if isinstance(option, click.Option) and option.name in shared and is_given:
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
