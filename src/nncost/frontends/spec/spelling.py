"""Specs as people write them: other dashes, arrows, commas or blanks between widths, brackets around them."""

from __future__ import annotations

import re

_CHARACTERS = {ord(dash): "-" for dash in "‐‑‒–—―−"} | {ord("×"): "x", ord("·"): "*", ord("→"): "-", ord("\u00a0"): " "}
_ARROW = re.compile(r"->|=>|>>")
_LISTED = re.compile(r"\s*[\[(]?\s*[0-9]+(\s*,\s*[0-9]+|\s+[0-9]+)+\s*[\])]?\s*")
"""Numbers between commas or blanks, perhaps in brackets: no layer is called by a number, so these are widths."""
_BETWEEN = re.compile(r"[\s,]+")


def respelled(text: str) -> str:
    """The spec that a text stands for, with each character at its place, so that errors can point at it."""
    text = _ARROW.sub("- ", text.translate(_CHARACTERS))
    if not _LISTED.fullmatch(text):
        return text
    inner = text.replace("[", " ").replace("]", " ").replace("(", " ").replace(")", " ")
    start, end = len(inner) - len(inner.lstrip()), len(inner.rstrip())
    numbers = _BETWEEN.sub(lambda found: "-" + " " * (len(found[0]) - 1), inner[start:end])
    return inner[:start] + numbers + inner[end:]
