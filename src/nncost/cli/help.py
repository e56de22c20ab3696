"""Help that follows the terminal: examples are never broken where a shell would not read them on."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence

import click

from nncost.cli.terminal import page_width
from nncost.documents.characters import plainly
from nncost.documents.lines import columns, left, wrapped

_PIPE, _WIDEST = 80, 100
_NARROW = 60
"""Columns below which names of options stand above their text."""
_LONGEST_NAME = 24
_APART = 3
"""Spaces between an example and its remark."""
_REMARK = re.compile(r" {2,}")
_BACKSLASH = len(" \\")
_KEPT = "\b\n"
"""What marks a paragraph of examples, as in click."""


class HelpContext(click.Context):
    """A command's context with our formatter; its help is plain where the output lacks characters."""

    def make_formatter(self) -> click.HelpFormatter:
        """Return a formatter of the terminal's width."""
        width = page_width(sys.stdout) or _PIPE
        return HelpFormatter(width=min(width, _WIDEST))

    def get_help(self) -> str:
        """Return the help of the command."""
        return plainly(super().get_help(), sys.stdout.encoding)


class HelpFormatter(click.HelpFormatter):
    """Paragraphs, examples and lists in lines that are never longer than ``width``."""

    def write_text(self, text: str) -> None:
        """Write paragraphs; examples keep their lines."""
        for number, paragraph in enumerate(text.split("\n\n")):
            if number:
                self.write("\n")
            if paragraph.startswith(_KEPT):
                indent = "  " if self.width >= _NARROW else ""
                shown = examples(paragraph[len(_KEPT) :].splitlines(), self.width - self.current_indent - len(indent))
                self._write_all([indent + line for line in shown])
            else:
                self._write_all(wrapped(" ".join(paragraph.split()), self.width - self.current_indent))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write names with their text beside them or, where that is narrow, below them."""
        rows = list(rows)
        names, room = [columns(name) for name, _ in rows], self.width - self.current_indent
        short = max(name for name in names if name <= _LONGEST_NAME) if min(names) <= _LONGEST_NAME else 0
        margin = short + col_spacing if self.width >= _NARROW or short <= room // 3 else 2 * col_spacing
        for (name, text), size in zip(rows, names, strict=True):
            beside = wrapped(text, room, left(name, margin), " " * margin)
            below = [*wrapped(name, room), *wrapped(text, room, " " * margin, " " * margin)]
            self._write_all(beside if size + col_spacing <= margin else below)

    def _write_all(self, lines: Sequence[str]) -> None:
        indent = " " * self.current_indent
        self.write("".join(f"{indent}{line}".rstrip() + "\n" for line in lines))


def examples(lines: Sequence[str], room: int) -> Iterator[str]:
    """Yield commands with their remarks beside or below them; a long command is continued as a shell reads it."""
    pairs = [_parts(line) for line in lines]
    column = _column(pairs, room)
    for command, remark in pairs:
        if remark and columns(command) <= column and column + _APART + columns(remark) <= room:
            yield left(command, column + _APART) + remark
            continue
        yield from _continued(command, room)
        yield from wrapped(remark, room, " " * 4, " " * 4) if remark else ()


def _parts(line: str) -> tuple[str, str]:
    command, *remark = _REMARK.split(line.strip(), maxsplit=1)
    return command, f"# {remark[0]}" if remark else ""


def _column(pairs: Sequence[tuple[str, str]], room: int) -> int:
    """The width for commands that leaves most of the remarks beside them."""
    sizes = {columns(command) for command, remark in pairs if remark}

    def beside(size: int) -> int:
        return sum(bool(r) and columns(c) <= size and size + _APART + columns(r) <= room for c, r in pairs)

    return max(sorted(sizes), key=beside, default=0)


def _continued(command: str, room: int) -> Iterator[str]:
    """Yield a command in lines that end in a backslash, which a shell reads as one."""
    line = ""
    for unit in _units(command):
        if line and columns(f"{line} {unit}") + _BACKSLASH > room:
            yield f"{line} \\"
            line = "  "
        line += unit if not line.strip() else f" {unit}"
        while columns(line) > room:
            head, *_ = wrapped(line.strip(), room - _BACKSLASH, line[: len(line) - len(line.lstrip())])
            line = f"  {line[len(head) :].lstrip()}"
            yield f"{head} \\"
    yield line


def _units(command: str) -> list[str]:
    """The parts of a command that stay together where they fit: quoted words, an option with its value, a filter."""
    words: list[str] = []
    for word in re.findall(r'(?:"[^"]*"|[^\s"])+', command):
        last = words[-1] if words else ""
        is_value = last.startswith("--") and " " not in last and not word.startswith(("-", "|"))
        if is_value or last.startswith("|"):
            words[-1] += f" {word}"
        else:
            words.append(word)
    return words
