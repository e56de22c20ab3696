"""The colours of charts and documents as the site's own: those of ``documents/style.css``, for its light and its dark scheme."""

from __future__ import annotations

import re
from importlib.resources import files

SCHEMES = {"default": "", "slate": "(prefers-color-scheme: dark)"}
"""The site's schemes, and what stands before their colours in the style sheet."""
_BLOCK = re.compile(r"\.nncost, \.nncost-page \{(.*?)\}", re.DOTALL)
_COLOUR = re.compile(r"--nn-[a-z-]+: #[0-9a-f]{6}")


def style() -> str:
    """Return the rules of a style sheet that name the colours."""
    text = (files("nncost.documents") / "style.css").read_text("utf-8")
    blocks = _BLOCK.findall(text)[: len(SCHEMES)]
    rules = zip(SCHEMES, ("; ".join(_COLOUR.findall(block)) for block in blocks), strict=True)
    return "".join(f'[data-md-color-scheme="{scheme}"] {{ {colours}; }}\n' for scheme, colours in rules)
