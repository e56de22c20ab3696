"""The streams that a command writes to: how wide they are, which characters they have, whether they show colour."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import TextIO

import click

from nncost.documents.characters import error_handler
from nncost.names import harmless

NARROWEST, WIDEST = 40, 200
"""Columns of a terminal between which the output follows it."""
_USUAL = 80


def page_width(stream: TextIO) -> int | None:
    """Return the columns of a terminal, from 40 to 200, and None for anything that is no terminal."""
    return min(max(_columns(stream), NARROWEST), WIDEST) if stream.isatty() else None


def _columns(stream: TextIO) -> int:
    """What ``COLUMNS`` says, otherwise the width of the terminal that the stream belongs to."""
    told = os.environ.get("COLUMNS", "")
    if told.isdigit() and int(told) > 0:
        return int(told)
    with suppress(OSError, ValueError, AttributeError):  # a stream without a file, or a file that is no terminal
        return os.get_terminal_size(stream.fileno()).columns or _USUAL
    return _USUAL


def has_colour(stream: TextIO) -> bool:
    """Return whether a stream gets colour: a terminal does unless ``NO_COLOR`` is set, others with ``FORCE_COLOR``."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (stream.isatty() and os.environ.get("TERM") != "dumb")


def put(text: str) -> None:
    """Write a result to standard output, without what a terminal would act on."""
    click.echo(harmless(text), file=sys.stdout, nl=False, color=True)


@contextmanager
def plain_forms() -> Iterator[None]:
    """Let both streams write a plain form of each character that their encoding lacks, instead of raising."""
    streams = [stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, TextIOWrapper)]
    before = [(stream, stream.errors) for stream in streams]
    for stream in streams:
        stream.reconfigure(errors=error_handler(stream.encoding))
    try:
        yield
    finally:
        for stream, errors in before:
            with suppress(ValueError, OSError):  # closed meanwhile, or what is buffered cannot be written
                stream.reconfigure(errors=errors)
