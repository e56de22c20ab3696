"""Links of the documents, which lead through a checkout, as the site has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from posixpath import dirname, join, normpath, relpath

_FENCED = re.compile(r"^(```.*?^```$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)#:\s]+)(#[^)\s]*)?\)")
_FOLDER = "docs/"


def on_the_site(markdown: str, page: str, places: Mapping[str, str]) -> str:
    """Return the text of a page of the site with links to others.

    ``places`` are those of pages that do not stand in ``docs`` under their own names: where they are in the checkout.
    What is no page, such as a test, has no address on the site: its path is written out.
    """
    folder = dirname(places.get(page, _FOLDER + page))
    pages = {place: name for name, place in places.items()}

    def link(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        place = normpath(join(folder, target))
        found = pages.get(place, place.removeprefix(_FOLDER))
        if found != place:
            return f"[{text}]({relpath(found, dirname(page) or '.')}{anchor})"
        return text if text.strip("`") in place else f"{text} (`{place}`)"

    parts = _FENCED.split(markdown)
    return "".join(part if part.startswith("```") else _LINK.sub(link, part) for part in parts)
