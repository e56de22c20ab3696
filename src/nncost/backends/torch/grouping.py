"""Which items of a graph belong to which layer inside another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from nncost.ir.graph import Item
from nncost.records import record


@record
class Segment:
    """Items in a row; ``path`` is the layer they are, or None for items of the surrounding layer itself."""

    path: str | None
    items: tuple[Item, ...]


def segments(items: Sequence[Item], path: str) -> list[Segment]:
    """Items in order, those of each layer below ``path`` together.

    A layer whose items stand in several places is the longest run of them; the rest belongs to the
    surrounding layer.
    """
    layers = {item.path for item in items}
    runs = [(key, tuple(run)) for key, run in groupby(items, lambda item: _below(item.path, path, layers))]
    runs = [(_narrowed(key, run), run) for key, run in runs]
    longest: dict[str, int] = {}
    for number, (key, run) in enumerate(runs):
        if key is not None and (key not in longest or len(run) > len(runs[longest[key]][1])):
            longest[key] = number
    return [
        Segment(key if key is not None and longest[key] == number else None, run)
        for number, (key, run) in enumerate(runs)
    ]


def _below(path: str, above: str, layers: set[str]) -> str | None:
    """The outermost layer below ``above`` that a path is in; None for ``above`` itself."""
    if path in (above, ""):
        return None
    parts = path.split(".")
    start = len(above.split(".")) if above and path.startswith(f"{above}.") else 0
    for stop in range(start + 1, len(parts) + 1):
        prefix = ".".join(parts[:stop])
        if prefix in layers and prefix != above:
            return prefix
    return path


def _narrowed(key: str | None, run: Sequence[Item]) -> str | None:
    """The layer of all items if they are of one, else the key."""
    paths = Counter(item.path for item in run)
    return next(iter(paths)) if key is not None and len(paths) == 1 else key
