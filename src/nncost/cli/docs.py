"""``nncost docs``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

import click

from nncost.cli.options import show
from nncost.cli.terminal import has_colour, page_width, put
from nncost.documents.characters import plainly
from nncost.documents.document import Document, Facts, Note, Section
from nncost.errors import OptionError
from nncost.names import meant, nearest

HELP = """Print a page of the documents; without TOPIC, what there is.

\b
  nncost docs                   the topics, a line for each
  nncost docs spec              how a network is written as a spec
  nncost docs cost-model        what is counted, and why so
  nncost docs report | less     Markdown, in a pipe
"""


@click.command("docs", help=HELP)
@click.argument("topic", required=False)
def command(topic: str | None) -> None:
    """Print one page, or the list of them."""
    if topic is None:
        show(None, _contents)
        return
    put(_rendered(page(topic)))


@cache
def topics() -> Mapping[str, Path]:
    """The pages by name: those of the installed package, or of the checkout it runs from."""
    installed = Path(str(files("nncost"))) / "docs"
    folder = installed if installed.is_dir() else Path(__file__).parents[3] / "docs"
    return {path.stem: path for path in sorted(folder.glob("*.md"), key=lambda path: path.stem)}


def page(topic: str) -> str:
    """Return the Markdown of a topic, as ``spec``, ``spec.md`` or ``docs/spec.md``. Raise OptionError for others."""
    name = topic.removeprefix("docs/").removesuffix(".md")
    found = meant(name, topics())
    if found is None:
        close = nearest(name, topics())
        hint = "" if close is None else f"Did you mean {close!r}? "
        raise OptionError(f"there is no page {topic[:60]!r}.", hint=f"{hint}Topics: {', '.join(topics())}.")
    return topics()[found].read_text(encoding="utf-8")


def _contents() -> Document:
    """The topics and the titles of their pages."""
    titles = tuple((name, _title(path)) for name, path in topics().items())
    return Document("Documents", (Section("", (Facts(titles), Note("One page:  nncost docs TOPIC"))),))


def _title(path: Path) -> str:
    with path.open(encoding="utf-8") as lines:
        return next(lines).strip().removeprefix("# ")


def _rendered(text: str) -> str:
    """Laid out for a terminal; in a pipe as it is."""
    width = page_width(sys.stdout)
    if width is None:
        return text
    from rich.console import Console
    from rich.theme import Theme

    from nncost.cli.pages import Page

    colour = has_colour(sys.stdout)
    theme = Theme({"markdown.code": "cyan", "markdown.code_block": "none"})
    console = Console(width=width, no_color=not colour, color_system="auto" if colour else None, theme=theme)
    with console.capture() as captured:
        console.print(Page(plainly(text, sys.stdout.encoding), hyperlinks=False))
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
