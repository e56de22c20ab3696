"""A document on a terminal: the plain text with weight and colour."""

from __future__ import annotations

import os

from nncost.documents.document import Document
from nncost.documents.page import Page
from nncost.documents.plain import layout


def render(document: Document, width: int | None = None, encoding: str | None = None) -> str:
    """Return the text with the control sequences that the terminal understands; none with ``NO_COLOR``."""
    lines = layout(document, Page(width, encoding))
    if os.environ.get("NO_COLOR"):
        return "".join(f"{line.text}\n" for line in lines)
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True, emoji=False, markup=False)
    with console.capture() as captured:
        for line in lines:
            text = Text(line.text, line.style)
            for first, after, style in line.spans:
                text.stylize(style, first, after)
            console.print(text)
    return captured.get()
