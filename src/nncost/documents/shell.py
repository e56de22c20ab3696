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
    line = page.text(shell.lead)
    for word in map(page.text, shell.words):
        quoted = quote(word)
        if not line.strip():
            line += quoted
        elif page.fits(columns(f"{line} {quoted} {_BACKSLASH}")):
            line += f" {quoted}"
        else:
            yield f"{line} {_BACKSLASH}"
            line = GAP + quoted
        if not page.fits(columns(line) + columns(f" {_BACKSLASH}")):
            *parts, line = _parts(word, page.room)
            yield from (f"{part}{_BACKSLASH}" for part in parts)
    yield line


def _parts(word: str, room: int) -> Iterator[str]:
    """Yield a word that is longer than a line in parts, which a shell joins since no space stands between them."""
    indent = GAP
    while word:
        part = fitting(word, room - _QUOTES - len(_BACKSLASH) - len(indent))
        yield indent + quote(part)
        word, indent = word[len(part) :], ""
