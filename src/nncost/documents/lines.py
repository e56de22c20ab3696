"""Lines of text: their width in columns, their breaks and their styles."""

from __future__ import annotations

import unicodedata
from functools import cache

from nncost.records import record

GAP = "  "


@record
class Styled:
    """A line of text with a style of rich for all of it, and others from one place to another."""

    text: str
    style: str = ""
    spans: tuple[tuple[int, int, str], ...] = ()


def columns(text: str) -> int:
    """Return the columns that a text takes on a terminal: two for a wide character, none for a mark above a letter."""
    return len(text) if text.isascii() else sum(map(_columns, text))


@cache
def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def left(text: str, width: int) -> str:
    """Return the text, filled with spaces behind it."""
    return text + " " * (width - columns(text))


def right(text: str, width: int) -> str:
    """Return the text, filled with spaces before it."""
    return " " * (width - columns(text)) + text


def wrapped(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """Return the text in lines of at most ``width`` columns, with an indent of the first and of the other lines."""
    if columns(first) + columns(text) <= width and not text[:1].isspace() and "\n" not in text:
        return [first + text]
    lines, line, room = [], "", width - columns(first)
    indents = [first]
    for gap, word in _words(text):
        if line and columns(line + gap + word) > room:
            lines.append(line)
            indents.append(rest)
            line, room = "", width - columns(rest)
        line += (gap if line else "") + word
        while columns(line) > room:
            head = fitting(line, max(room, 1))
            lines.append(head)
            indents.append(rest)
            line, room = line[len(head) :], width - columns(rest)
    lines.append(line)
    return [indent + line for indent, line in zip(indents, lines, strict=True) if line] or [first]


def _words(text: str) -> list[tuple[str, str]]:
    """Words, each with the white space before it."""
    words: list[tuple[str, str]] = []
    gap = word = ""
    for character in text:
        if character in " \t\n\r\f\v":
            if word:
                words.append((gap, word))
                gap = word = ""
            gap += " "
        else:
            word += character
    return [*words, (gap, word)] if word else words


def fitting(text: str, room: int) -> str:
    """Return the longest beginning of a long word that fits, with at least one character; at a joint if there is one."""
    if columns(text) <= room:
        return text
    end = next((i for i in range(1, len(text) + 1) if columns(text[:i]) > room), len(text) + 1) - 1
    joint = max(text.rfind(sign, 0, end) for sign in " ,;-/._·") + 1
    return text[: joint if joint > end // 2 else max(end, 1)]
