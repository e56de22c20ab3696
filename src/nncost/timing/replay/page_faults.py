"""Pages that a step touches for the first time: its allocations, made once more and touched page by page.

An allocator gives memory back to the system and takes it anew; each page then costs a fault when it
is first touched. How many there are depends on the sizes and on the order of a step's allocations,
so that order is repeated here, without the work.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from nncost.frontends.torch.allocation.recorder import MemoryEvent
from nncost.timing.devices.fingerprint import available_bytes

SETTLING_STEPS, STEPS = 2, 3
"""Steps after which the allocator treats every further step alike, and steps that are then looked at."""
PART = 0.5
"""Of the memory that is free, what a prediction may take."""
FEW_PAGES = 16
"""What so few first touches take is lost in the clock."""
FREEING = 2e-6
"""Giving back memory that the allocator keeps takes less (seconds); more is memory that goes back to the system."""
PAGE_BYTES = resource.getpagesize()


@dataclass(slots=True)
class Faults:
    """First touches of one step and the seconds they take, by the position of the operator that makes the memory.

    ``freed`` are seconds in which memory goes back to the system, by the position at which it does.
    """

    pages: dict[int, float] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    freed: dict[int, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """All pages."""
        return sum(self.pages.values())


def faults_of(events: Sequence[MemoryEvent]) -> Faults | None:
    """What one of many steps takes; what is left at its end is given back there.

    None for a step that holds more than a good part of the memory there is: it is not tried.
    """
    free = available_bytes()
    if free and peak_of(events) > free * PART:
        return None
    for _ in range(SETTLING_STEPS):
        _step(events, Faults())
    found = Faults()
    for _ in range(STEPS):
        _step(events, found)
    for by_position in (found.pages, found.seconds, found.freed):
        for position in by_position:
            by_position[position] /= STEPS
    return found


def peak_of(events: Sequence[MemoryEvent]) -> int:
    """The most bytes that are held at once."""
    held: dict[int, int] = {}
    total = highest = 0
    for event in events:
        if event.bytes is None:
            total -= held.pop(event.storage, 0)
        else:
            held[event.storage] = event.bytes
            total += event.bytes
            highest = max(highest, total)
    return highest


def _step(events: Sequence[MemoryEvent], found: Faults) -> None:
    held: dict[int, torch.Tensor] = {}
    for event in events:
        if event.bytes is None:
            _free(held, event.storage, event.position, found)
        elif event.bytes:
            held[event.storage] = _taken(event.bytes, event.position, found)
    end = max((event.position for event in events), default=0)
    for storage in list(held):
        _free(held, storage, end, found)


def _taken(bytes_: int, position: int, found: Faults) -> torch.Tensor:
    """New memory, written on every thread; where pages are touched first, what that takes beyond writing it again."""
    memory = torch.empty(bytes_, dtype=torch.uint8)
    before = faults_so_far()
    first = _fill(memory)
    touched = faults_so_far() - before
    if touched > FEW_PAGES:
        found.pages[position] = found.pages.get(position, 0.0) + touched
        found.seconds[position] = found.seconds.get(position, 0.0) + max(0.0, first - _fill(memory))
    return memory


def _free(held: dict[int, torch.Tensor], storage: int, position: int, found: Faults) -> None:
    start = time.perf_counter()
    held.pop(storage, None)
    seconds = time.perf_counter() - start
    if seconds > FREEING:
        found.freed[position] = found.freed.get(position, 0.0) + seconds


def seconds_of_a_fault(bytes_: int = 64 * 2**20) -> float:
    """What one first touch costs: writing memory that is new, against writing it again."""
    excess: list[float] = []
    for _ in range(5):
        memory = torch.empty(bytes_, dtype=torch.uint8)
        before = faults_so_far()
        first = _fill(memory)
        touched = faults_so_far() - before
        again = min(_fill(memory) for _ in range(3))
        if touched:
            excess.append((first - again) / touched)
    return min(excess, default=0.0)


def _fill(memory: torch.Tensor) -> float:
    start = time.perf_counter()
    memory.fill_(1)
    return time.perf_counter() - start


def faults_so_far() -> int:
    """Return the minor page faults of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
