"""What the documentation site has beyond the pages of ``docs``: pages of the checkout and references written from the code.

``mkdocs.yml`` names these functions to mkdocs, which calls them while it builds the site (``make docs``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import colours
import commands
import interface
import links
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_SESSION = re.compile(r"^```python\n>>> .*?^```$", re.MULTILINE | re.DOTALL)
_SEARCH = 'data-md-component="search" role="dialog"'
ROOT = Path(__file__).resolve().parents[2]
OF_THE_CHECKOUT = {"index.md": "docs/site/home.md", "contributing.md": "CONTRIBUTING.md", "changes.md": "CHANGELOG.md"}
"""Pages of the site that stand elsewhere, or under other names, in the checkout."""
REFERENCES = {"Commands": commands, "Python": interface}
"""What is written from the code, by its place in the navigation."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Enter the pages that are written from the code in the navigation."""
    for section in _sections(config.nav):
        for title in section.keys() & REFERENCES.keys():
            section[title].extend(REFERENCES[title].navigation())
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the checkout, those that are written from the code, and the colours of charts."""
    texts = {page: (ROOT / name).read_text("utf-8") for page, name in OF_THE_CHECKOUT.items()}
    for reference in REFERENCES.values():
        texts |= reference.pages()
    for name, text in {**texts, "assets/colours.css": colours.style()}.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point the links of a page at pages of the site, and show its sessions of Python as sessions."""
    if page.file.src_uri.split("/")[0] in (commands.FOLDER, interface.FOLDER):
        return markdown
    return links.on_the_site(_SESSION.sub(_session, markdown), page.file.src_uri, OF_THE_CHECKOUT)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Give the search dialog a name, for those who do not see it."""
    return output.replace(_SEARCH, f'{_SEARCH} aria-label="Search"')


def _session(match: re.Match[str]) -> str:
    return match[0].replace("```python", "```pycon", 1).replace("<BLANKLINE>", "")


def _sections(entries: Any) -> Iterator[dict[str, Any]]:
    """The entries of a navigation that hold others, at any depth."""
    for entry in entries:
        if isinstance(entry, dict):
            yield entry
            for inner in entry.values():
                if isinstance(inner, list):
                    yield from _sections(inner)
