"""What each result says: one document per result, which every renderer of ``nncost.documents`` can write."""

from __future__ import annotations

import re

_FOLDERS = re.compile(r"^.*[/\\](?=.)", re.DOTALL)
MAX_ROWS = 20
"""Rows of a table of seconds, unless another number is asked for."""


def shortened(name: str, limit: int = 200) -> str:
    """Return a source's name as titles show it: its first ``limit`` characters."""
    return name if len(name) <= limit else f"{name[:limit]}…"


def without_folders(name: str) -> str:
    """Return a source's name; that of a file without its folders, which belong to the one who counted it."""
    return _FOLDERS.sub("", name) or name


def cut_path(path: str, depth: int | None) -> str:
    """Return the first ``depth`` names of a layer's path, a number belonging to the name before it."""
    if depth is None:
        return path
    kept: list[str] = []
    names = 0
    for part in path.split("."):
        names += not part.isdigit()
        if names > depth:
            break
        kept.append(part)
    return ".".join(kept)
