"""A step's timeline in the order of its clock, and what is to be found out about it."""

from __future__ import annotations

from collections.abc import Iterator

from nncost.counting.memory.memory import Candidate, TimelineRow
from nncost.dims import Dim, largest
from nncost.ir.storage import Allocation, Timeline
from nncost.records import record

_FREE_FIRST, _TAKE = 0, 1


class NoPeaksError(Exception):
    """There are too many moments of which each may be the peak; the message says so."""


@record
class Peaks:
    """Bytes above what is resident. ``candidates`` are the moments of the step's peak: several where symbols decide."""

    forward: Dim
    step: Dim
    candidates: tuple[Candidate, ...]
    workspace: Dim
    rows: tuple[TimelineRow, ...]


def events(timeline: Timeline) -> Iterator[tuple[bool, Allocation]]:
    """Every event in the order of the clock: whether memory is taken (or given back), and which."""
    allocations = timeline.allocations
    count = len(allocations)
    # Moment, kind and number in one integer each, which sort faster than tuples.
    listed = [(2 * a.born + _TAKE) * count + number for number, a in enumerate(allocations)]
    listed += [(2 * a.dies + _FREE_FIRST) * count + n for n, a in enumerate(allocations) if a.dies is not None]
    listed.sort()
    for event in listed:
        moment, number = divmod(event, count)
        yield moment % 2 == _TAKE, allocations[number]


def workspace_of(timeline: Timeline) -> Dim:
    """The largest workspace of one operation."""
    sizes = [a.bytes for a in timeline.allocations if a.kind == "workspace"]
    return largest(sizes) if sizes else 0
