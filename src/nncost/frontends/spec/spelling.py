"""Specs as people write them: other dashes, arrows, commas or blanks between widths, brackets around them."""

from __future__ import annotations

import re

_CHARACTERS = {ord(dash): "-" for dash in "‐‑‒–—―−"} | {ord("×"): "x", ord("·"): "*", ord("→"): "-", 0xA0: " "}
_ARROW = re.compile(r"->|=>|>>")
_BETWEEN = re.compile(r"[\s,]+")
_BRACKETS = {ord(bracket): " " for bracket in "[]()"}
_LONGEST = 10_000
"""Characters of a list of widths."""


def respelled(text: str) -> str:
    """The spec that a text stands for, with each character at its place, so that errors can point at it.

    Numbers alone between commas or blanks are widths: no layer is called by a number.
    """
    text = _ARROW.sub("- ", text.translate(_CHARACTERS))
    if len(text) > _LONGEST:
        return text
    inner = text.translate(_BRACKETS)
    start, end = len(inner) - len(inner.lstrip()), len(inner.rstrip())
    numbers = _BETWEEN.split(inner[start:end])
    if len(numbers) < 2 or not all(number.isascii() and number.isdigit() for number in numbers):
        return text
    return inner[:start] + _BETWEEN.sub(lambda found: "-" + " " * (len(found[0]) - 1), inner[start:end]) + inner[end:]
