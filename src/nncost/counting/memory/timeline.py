"""A step's timeline in the order of its clock, and what is to be found out about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

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


def at_peak(timeline: Timeline, *, forward: bool = False) -> list[Allocation]:
    """Return what is allocated when a step (or its ``forward`` pass) holds the most. Sizes must be numbers."""
    live: dict[Allocation, None] = {}
    held, most, found = 0, 0, list[Allocation]()
    for is_taken, allocation in events(timeline):
        size = cast("int", allocation.bytes)
        if not is_taken:
            held -= size
            del live[allocation]
            continue
        held += size
        live[allocation] = None
        if held > most and (allocation.phase == "forward" or not forward):
            most, found = held, list(live)
    return found


def kept_for_backward(timeline: Timeline) -> list[Allocation]:
    """Return the values of the forward pass that are there when the next phase begins; nothing if there is none."""
    later = [allocation.born for allocation in timeline.allocations if allocation.phase != "forward"]
    if not later:
        return []
    values = (a for a in timeline.allocations if a.phase == "forward" and a.kind == "value")
    return [a for a in values if a.dies is None or a.dies > min(later)]


def workspace_of(timeline: Timeline) -> Dim:
    """The largest workspace of one operation."""
    sizes = [a.bytes for a in timeline.allocations if a.kind == "workspace"]
    return largest(sizes) if sizes else 0
