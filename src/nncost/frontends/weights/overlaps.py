"""Which numbers of a storage are counted: each once, however many views show it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from nncost.frontends.weights.described import TensorRecord
from nncost.records import record

_MAX_MARKED = 2**20
"""Elements of views with gaps that are followed number by number, in one storage."""
_View = tuple[int, str, TensorRecord]
"""Position, name and tensor."""


@record
class Counted:
    """What is counted of a view: its elements that no earlier one has; ``owner`` is a view that has the others."""

    elements: int
    owner: str = ""


def counted_once(views: Sequence[tuple[str, TensorRecord]]) -> tuple[dict[int, Counted], bool]:
    """Return what is counted of each view, by position, and whether all of it is exact.

    The largest of a storage's views is counted first, so that a slice is a part of the whole and not the other way round.
    """
    by_storage: dict[str, list[_View]] = {}
    for position, (name, tensor) in enumerate(views):
        by_storage.setdefault(tensor.storage.key, []).append((position, name, tensor))
    result: dict[int, Counted] = {}
    exact = True
    for group in by_storage.values():
        if len(group) == 1:
            result[group[0][0]] = Counted(group[0][2].stored)
        else:
            exact = _add_storage(group, result) and exact
    return result, exact


def _add_storage(views: Iterable[_View], result: dict[int, Counted]) -> bool:
    """Count views without gaps, then those with gaps; False where the latter are bounds."""
    cover = _Cover()
    gapped: list[_View] = []
    for position, name, tensor in sorted(views, key=lambda view: (view[2].has_gaps, -view[2].stored)):
        start, end = extent(tensor)
        if tensor.has_gaps and cover.free(start, end):
            gapped.append((position, name, tensor))
        else:
            owner = cover.owner(start, end)
            result[position] = Counted(cover.add(start, end, name) // tensor.item_bytes, owner)
    if not gapped:
        return True
    few = sum(tensor.stored for _, _, tensor in gapped) <= _MAX_MARKED
    (_add_marked if few else _add_bounded)(gapped, cover, result)
    return few or (len(gapped) == 1 and not cover.starts)


def _add_marked(views: Sequence[_View], cover: _Cover, result: dict[int, Counted]) -> None:
    """Each number by its place in the storage."""
    seen: dict[int, str] = {}
    for position, name, tensor in views:
        places = [
            place for place in _places(tensor) if place not in seen and cover.free(place, place + tensor.item_bytes)
        ]
        owner = "" if len(places) == tensor.stored else cover.owner(*extent(tensor)) or next(iter(seen.values()), "")
        seen |= dict.fromkeys(places, name)
        result[position] = Counted(len(places), owner)


def _add_bounded(views: Sequence[_View], cover: _Cover, result: dict[int, Counted]) -> None:
    """As if no two of them overlapped, but together no more than the storage has."""
    storage = views[0][2].storage
    left = cover.free(0, storage.elements * storage.item_bytes)
    for position, _, tensor in views:
        elements = min(tensor.stored, left // tensor.item_bytes)
        left -= elements * tensor.item_bytes
        result[position] = Counted(elements)


def _places(tensor: TensorRecord) -> Iterable[int]:
    starts = [tensor.offset]
    for size, step in zip(tensor.shape, tensor.stride, strict=True):
        if step and size > 1:
            starts = [start + step * number for start in starts for number in range(size)]
    return [start * tensor.item_bytes for start in dict.fromkeys(starts)]


def extent(tensor: TensorRecord) -> tuple[int, int]:
    """Return where a view begins and ends in its storage, in bytes."""
    start = tensor.offset * tensor.item_bytes
    return start, start + tensor.span * tensor.item_bytes


@dataclass(slots=True)
class _Cover:
    """Pieces of a storage that are counted, none over another, in their order."""

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def free(self, start: int, end: int) -> int:
        """Bytes of an extent that no piece has."""
        return sum(last - first for first, last in self._gaps(start, end))

    def owner(self, start: int, end: int) -> str:
        """The name of a piece in the extent; empty if there is none."""
        first = self._first(start)
        return self.names[first] if first < len(self.starts) and self.starts[first] < end else ""

    def add(self, start: int, end: int, name: str) -> int:
        """Cover an extent, and return the bytes that are new."""
        gaps = self._gaps(start, end)
        for first, last in gaps:
            place = bisect_right(self.starts, first)
            self.starts.insert(place, first)
            self.ends.insert(place, last)
            self.names.insert(place, name)
        return sum(last - first for first, last in gaps)

    def _first(self, start: int) -> int:
        """The first piece that ends behind a place."""
        return bisect_right(self.ends, start)

    def _gaps(self, start: int, end: int) -> list[tuple[int, int]]:
        gaps, reached, piece = [], start, self._first(start)
        while reached < end and piece < len(self.starts) and self.starts[piece] < end:
            if self.starts[piece] > reached:
                gaps.append((reached, self.starts[piece]))
            reached = self.ends[piece]
            piece += 1
        return [*gaps, (reached, end)] if reached < end else gaps
