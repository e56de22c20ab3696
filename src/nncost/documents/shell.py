"""Commands on a page: what does not fit goes on behind a backslash, where a shell reads it as one line."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from nncost.documents.document import Shell
from nncost.documents.lines import GAP, columns, fitting
from nncost.documents.page import Page

_BACKSLASH = "\\"
_QUOTES = len("''")


def shell_lines(shell: Shell, page: Page) -> Iterator[str]:
    """Yield the lead and the command."""
    line, words = page.text(shell.lead), [page.text(word) for word in shell.words]
    for number, word in enumerate(words, 1):
        quoted, behind = quote(word), len(f" {_BACKSLASH}") if number < len(words) else 0
        if line and not page.fits(columns(f"{line} {quoted}") + behind):
            yield f"{line} {_BACKSLASH}"
            line = GAP + quoted
        else:
            line = f"{line} {quoted}" if line else quoted
        if not page.fits(columns(line) + behind):
            *parts, line = _parts(word, page.room)
            yield from (f"{part}{_BACKSLASH}" for part in parts)
    yield line


def _parts(word: str, room: int) -> Iterator[str]:
    """Yield a word that is longer than a line in parts, which a shell joins since no space stands between them."""
    indent = GAP
    while word:
        size = room - len(_BACKSLASH) - len(indent)
        part = fitting(word, size - _QUOTES)
        while len(part) > 1 and columns(quote(part)) > size:  # a quote itself is quoted in five characters
            part = part[:-1]
        yield indent + quote(part)
        word, indent = word[len(part) :], ""
