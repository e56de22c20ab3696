"""Pages that a step touches for the first time: its allocations, made once more and touched page by page.

An allocator gives memory back to the system and takes it anew; each page then costs a fault when it
is first touched. How many there are depends on the sizes and on the order of a step's allocations,
so that order is repeated here, without the work.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nncost.frontends.torch.recording import MemoryEvent

SETTLING_STEPS = 2
"""Steps after which the allocator treats every further step alike."""
PAGE_BYTES = resource.getpagesize()


@dataclass(frozen=True, slots=True)
class Faults:
    """First touches of one step, by the position of the operator that makes the memory."""

    pages: dict[int, int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.pages.values())


def faults_of(events: Sequence[MemoryEvent]) -> Faults:
    """The pages each operator's results touch first, once steps follow each other."""
    pages: dict[int, int] = {}
    for _ in range(SETTLING_STEPS + 1):
        pages = _one_step(events)
    return Faults(pages)


def _one_step(events: Sequence[MemoryEvent]) -> dict[int, int]:
    pages: dict[int, int] = {}
    held: dict[int, torch.Tensor] = {}
    for event in events:
        if event.bytes is None:
            held.pop(event.storage, None)
            continue
        memory = held[event.storage] = torch.empty(event.bytes, dtype=torch.uint8)
        before = _faults()
        memory[::PAGE_BYTES].fill_(1)
        touched = _faults() - before
        if touched:
            pages[event.position] = pages.get(event.position, 0) + touched
    return pages


def seconds_of_a_fault(bytes_: int = 64 * 2**20) -> float:
    """What one first touch costs: writing memory that is new, against writing it again."""
    excess: list[float] = []
    for _ in range(5):
        memory = torch.empty(bytes_, dtype=torch.uint8)
        before = _faults()
        first = _fill(memory)
        touched = _faults() - before
        again = min(_fill(memory) for _ in range(3))
        if touched:
            excess.append((first - again) / touched)
    return min(excess, default=0.0)


def _fill(memory: torch.Tensor) -> float:
    start = time.perf_counter()
    memory.fill_(1)
    return time.perf_counter() - start


def _faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
