"""Terminals and pipes of any width and encoding, in this process: a command writes to them as to real ones."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import nncost
import nncost.api
from nncost.cli.main import run
from nncost.documents.document import Document, Table

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
SOURCES = str(Path(nncost.__file__).parents[1])
"""What a process needs to import the same nncost from any folder."""


class Setting(NamedTuple):
    """Where a command writes to: columns (None: a pipe), encoding, and whether ``NO_COLOR`` is set."""

    width: int | None
    encoding: str
    no_colour: bool


class Shown(NamedTuple):
    """What a command left: its exit code, both texts as written and without control sequences, and its documents."""

    code: int
    raw: str
    out: str
    err: str
    documents: tuple[Document, ...]

    @property
    def titles(self) -> set[str]:
        """Every word of a column's title in the tables that were shown; spare columns are there where there is room."""
        blocks = (b for document in self.documents for section in document.sections for b in section.blocks)
        tables = [block for block in blocks if isinstance(block, Table)]
        titles = {title for table in tables for title in table.titles if title not in table.spare}
        return {word for title in titles for word in title.split()}


class Screen(io.TextIOWrapper):
    """A stream that is or is not a terminal, and strict about its characters."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(io.BytesIO(), encoding=setting.encoding, errors="strict", newline="", write_through=True)
        self._is_terminal = setting.width is not None

    def isatty(self) -> bool:
        return self._is_terminal

    def text(self) -> str:
        self.flush()
        written = self.buffer.getvalue()  # type: ignore[attr-defined]
        return str(written.decode(self.encoding))


def shown(arguments: list[str], setting: Setting, monkeypatch: pytest.MonkeyPatch) -> Shown:
    """Run a command there."""
    out, err, documents = Screen(setting), Screen(setting), []
    render = Document.render

    def kept(self: Document, *options: Any, **more: Any) -> str:
        documents.append(self)
        return render(self, *options, **more)

    with monkeypatch.context() as patch:
        for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
            patch.delenv(name, raising=False)
        patch.setenv("TERM", "xterm-256color")
        if setting.no_colour:
            patch.setenv("NO_COLOR", "1")
        if setting.width is not None:
            patch.setenv("COLUMNS", str(setting.width))
        patch.setattr(Document, "render", kept)
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        code = run(arguments)
        raw = out.text() + err.text()
    return Shown(
        code, raw, *(_CONTROL.sub("", stream.text()).replace("\r", "\n") for stream in (out, err)), tuple(documents)
    )


@contextmanager
def remembered(names: dict[str, Callable[..., Any]]) -> Iterator[None]:
    """Answer each question once: a test shows the same results in many ways."""
    with pytest.MonkeyPatch.context() as patch:
        for name, function in names.items():
            patch.setattr(nncost.api, name, _once(function))
        yield


def _once(function: Callable[..., Any]) -> Callable[..., Any]:
    answers: dict[str, Any] = {}

    def ask(*arguments: Any, **options: Any) -> Any:
        options.pop("progress", None)
        key = repr((arguments, sorted(options.items())))
        if key not in answers:
            answers[key] = function(*arguments, **options)
        return answers[key]

    return ask
