"""One document model and its renderers, found by the name of their format.

A renderer is a function of a document, a width in columns (None for a pipe) and the encoding of the output (None for one
that has every character). It returns text ending in a newline. To add a format, write one and enter it in ``FORMATS``: every command then has
an option of that name.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

Renderer = Callable[..., str]
TERMINAL, PLAIN = "terminal", "plain"


class Format(NamedTuple):
    """What ``--help`` says of a format, and its renderer: a function, or its place as ``module:function``."""

    help: str
    renderer: str | Renderer


FORMATS: dict[str, Format] = {
    TERMINAL: Format("Aligned text with colour: what a terminal shows.", "nncost.documents.terminal:render"),
    PLAIN: Format("Aligned text without colour: what a pipe receives.", "nncost.documents.plain:render"),
    "markdown": Format("As Markdown.", "nncost.documents.markdown:render"),
    "latex": Format("As LaTeX.", "nncost.documents.latex:render"),
    "html": Format("A page of HTML, without scripts.", "nncost.documents.html:render"),
    "json": Format("All numbers as JSON.", "nncost.documents.json:render"),
    "csv": Format("The rows of the main table as comma-separated values.", "nncost.documents.csv:render"),
}


def renderer(form: str) -> Renderer:
    """Return the renderer of a format, imported now. Raise KeyError for an unknown format."""
    found = FORMATS[form].renderer
    if not isinstance(found, str):
        return found
    module, _, name = found.partition(":")
    return getattr(import_module(module), name)  # type: ignore[no-any-return]
