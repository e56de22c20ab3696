"""Links of the documents, which lead through a checkout, as the site has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from posixpath import dirname, normpath, relpath

_FENCED = re.compile(r"^(```.*?^```$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)#:\s]+)(#[^)\s]*)?\)")


def on_the_site(markdown: str, place: str, pages: Mapping[str, str]) -> str:
    """Return a document, which stands at ``place`` of the checkout, with the links of the site.

    ``pages`` are those of the checkout that the site calls otherwise. What is no page, such as a test, has no address
    here: its path is written out.
    """

    def link(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        path = normpath(f"{dirname(place)}/{target}").lstrip("/")
        page = pages.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        if page is not None:
            return f"[{text}]({relpath(page, dirname(place).removeprefix('docs').lstrip('/') or '.')}{anchor})"
        return text if path in text or text.strip("`") in path else f"{text} (`{path}`)"

    parts = _FENCED.split(markdown)
    return "".join(part if part.startswith("```") else _LINK.sub(link, part) for part in parts)
