"""The reference of the command line: a page for each command, written from its help."""

from __future__ import annotations

from collections.abc import Iterator

import click

from nncost.cli import main
from nncost.cli.help import examples
from nncost.cli.options import count_options

FOLDER = "commands"
WIDTH = 80
_EXAMPLES = "\b\n"
"""What marks a paragraph of examples in a help text."""
_SHARED = {option.name for option in click.command()(count_options(lambda **_: None)).params}
"""The options that all commands have which count."""


def navigation() -> list[str | dict[str, str]]:
    """The pages, in the order of the commands."""
    return [f"{FOLDER}/index.md", *({f"nncost {name}": f"{FOLDER}/{name}.md"} for name in main.LazyGroup.names())]


def pages() -> dict[str, str]:
    """Every page as Markdown by its name."""
    found = {f"{FOLDER}/{name}.md": _page(name) for name in main.LazyGroup.names()}
    return {f"{FOLDER}/index.md": _contents(), **found}


def _contents() -> str:
    parts = ["# Commands", *_help(main.commands)]
    parts += [f"[`nncost {name}`]({name}.md)\n:   {_plain(text)}" for name, text in main._COMMANDS.items()]
    return _joined(parts)


def _page(name: str) -> str:
    command = main.commands.get_command(click.Context(main.commands), name)
    assert command is not None
    context = click.Context(command, info_name=f"nncost {name}")
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [f"# nncost {name}", f"```text\nnncost {name} {usage}\n```", *_help(command)]
    own, shared = list[str](), list[str]()
    for option in command.get_params(context):
        record = option.get_help_record(context)
        if isinstance(option, click.Option) and record is not None:
            (shared if option.name in _SHARED else own).append(f"`{record[0]}`\n:   {_plain(record[1])}")
    parts += ["## Options", *own]
    return _joined([*parts, "## Options of the network and its training", *shared] if shared else parts)


def _help(command: click.Command) -> Iterator[str]:
    """The paragraphs of a help text, its examples as a shell reads them."""
    for paragraph in (command.help or "").strip().split("\n\n"):
        if paragraph.startswith(_EXAMPLES):
            lines = examples(paragraph.removeprefix(_EXAMPLES).splitlines(), WIDTH)
            yield "\n".join(["```sh", *lines, "```"])
        else:
            yield _plain(" ".join(paragraph.split()))


def _plain(text: str) -> str:
    """Text in which Markdown finds nothing of its own."""
    for mark in "\\`*_[<":
        text = text.replace(mark, f"\\{mark}")
    return text


def _joined(parts: list[str]) -> str:
    return "\n\n".join(parts) + "\n"
