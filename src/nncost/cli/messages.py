"""Errors as every command tells them: ``nncost: error: …``, then what is accepted and where it is explained."""

from __future__ import annotations

import sys

import click

from nncost.cli.terminal import has_colour, page_width
from nncost.documents import PLAIN
from nncost.documents.characters import plainly
from nncost.documents.document import Document, Shell
from nncost.documents.lines import GAP, columns, wrapped
from nncost.documents.page import Page
from nncost.documents.shell import shell_lines
from nncost.errors import NncostError, SpecError
from nncost.names import printable

_HEAD = "nncost: error: "
_MARK = 76
"""Columns of a spec that are shown around a fault, where no terminal is narrower."""


def fail(message: str | NncostError, following: Shell | None = None) -> None:
    """Write an error to standard error, in lines that fit a terminal, with the command that is ``following``.

    What a terminal would act on is replaced, whoever wrote it.
    """
    stream = sys.stderr
    page = Page(page_width(stream), stream.encoding)
    text = printable("\n".join(_lines(message, page.width, stream.encoding)), "\n")
    if following is not None:
        text = "\n".join([text, *shell_lines(following, page)])
    shown = click.style(_HEAD, fg="red", bold=True) + text.removeprefix(_HEAD) if has_colour(stream) else text
    click.echo(shown, file=stream, color=True)


def say(text: str) -> None:
    """Write a remark to standard error, in lines that fit a terminal."""
    stream = sys.stderr
    click.echo("\n".join(_fitted(text, page_width(stream), stream.encoding)), file=stream)


def say_document(document: Document) -> None:
    """Write a document to standard error, as plain text."""
    stream = sys.stderr
    click.echo(document.render(PLAIN, page_width(stream), stream.encoding), file=stream, nl=False)


def _lines(message: str | NncostError, width: int | None, encoding: str | None) -> list[str]:
    if isinstance(message, SpecError):
        excerpt = _excerpt(message, width, encoding)
        hint = [] if message.hint is None else _fitted(message.hint, width, encoding)
        return [*_fitted(_HEAD + message.message, width, encoding), *excerpt, *hint]
    return _fitted(f"{_HEAD}{message}", width, encoding)


def _excerpt(error: SpecError, width: int | None, encoding: str | None) -> list[str]:
    """The line of a spec that holds the fault, and the mark below it."""
    line, column = error.excerpt(_MARK if width is None else min(_MARK, width - len(GAP)))
    before, marked = (plainly(text, encoding) for text in (line[:column], line[column : column + error.length]))
    return [GAP + plainly(line, encoding), GAP + " " * columns(before) + "^" * max(1, columns(marked))]


def _fitted(text: str, width: int | None, encoding: str | None) -> list[str]:
    """The lines of a text, wrapped with their indent; without a terminal as they are."""
    lines = plainly(text, encoding).splitlines()
    return lines if width is None else [part for line in lines for part in _wrapped(line, width)]


def _wrapped(line: str, width: int) -> list[str]:
    """A line that is too long; a command behind two spaces has lines of its own."""
    if columns(line) <= width:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    said, gap, command = line.strip().partition(GAP)
    if not gap:
        return wrapped(said, width, indent, indent)
    return [*wrapped(said, width, indent, indent), *wrapped(command.strip(), width, indent + GAP, indent + GAP)]
