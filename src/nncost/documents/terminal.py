"""A document on a terminal: the plain text with weight and colour."""

from __future__ import annotations

from nncost.documents.document import Document
from nncost.documents.plain import layout


def render(document: Document, width: int | None = None) -> str:
    """Return the text with the control sequences that the terminal understands; none with ``NO_COLOR``."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    with console.capture() as captured:
        for line in layout(document, width):
            text = Text(line.text, "" if line.lead else line.style)
            if line.lead:
                text.stylize(line.style, 0, line.lead)
            console.print(text)
    return captured.get()
