"""A table before any markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nncost.dims import Dim


@dataclass(frozen=True, slots=True)
class Table:
    """A caption, column titles (over an optional group title) and rows of amounts; the last row may be a total."""

    caption: str
    groups: Sequence[str]
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Dim]]]
    has_total: bool = False
    notes: Sequence[str] = ()


def cut_path(path: str, depth: int | None) -> str:
    """The first ``depth`` layers of a path, a number belonging to the name before it."""
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
