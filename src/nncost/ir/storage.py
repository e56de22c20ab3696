"""What a step holds in memory, and when: every allocation with the moment it is made and the moment it is freed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from nncost.dims import Dim, substitute
from nncost.ir.graph import Phase
from nncost.records import record, replace

AllocationKind = Literal["value", "gradient", "workspace"]


@record
class Allocation:
    """Bytes that one operation takes from the allocator.

    ``born`` and ``dies`` are moments on one clock, each used by a single event; ``dies`` is None for
    what outlives the step. A ``gradient`` is a trained parameter's; a ``workspace`` is taken and given
    back inside one operation. ``path`` and ``phase`` are those of the operation that allocates.
    """

    bytes: Dim
    born: int
    dies: int | None
    path: str
    phase: Phase
    kind: AllocationKind = "value"


@record
class Timeline:
    """A step's allocations on top of what is there before it begins.

    ``unknown_workspace`` names operators whose workspace is not known here: the peak may be higher by it.
    ``saved`` are the bytes the forward pass keeps for the backward pass, at the moment the forward ends
    (parameters, buffers and inputs apart). ``by_shapes``: values decide over the step, and a course without them was taken.
    """

    allocations: tuple[Allocation, ...]
    saved: Dim = 0
    unknown_workspace: tuple[str, ...] = ()
    by_shapes: bool = False


def in_symbols(timeline: Timeline, meaning: Mapping[Dim, Dim]) -> Timeline:
    """The timeline with symbols replaced by what they mean."""
    if not meaning:
        return timeline
    allocations = tuple(replace(a, bytes=substitute(a.bytes, meaning)) for a in timeline.allocations)
    return replace(timeline, allocations=allocations, saved=substitute(timeline.saved, meaning))
