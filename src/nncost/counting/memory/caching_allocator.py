"""PyTorch's caching allocator for CUDA, played through on a timeline: blocks, splits, cached segments.

Facts: c10/core/AllocatorConfig.h and c10/cuda/CUDACachingAllocator.cpp of PyTorch 2.13.0, with its
default settings (one stream, no expandable segments, no garbage collection). Segments come from the
driver at rising addresses here; real addresses only decide between free blocks of equal size.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field

from nncost.counting.memory.memory import Memory
from nncost.counting.memory.timeline import events
from nncost.dims import Dim, is_symbolic
from nncost.errors import OptionError
from nncost.ir.storage import Allocation, Timeline
from nncost.records import record, replace

MIN_BLOCK = 512
"""kMinBlockSize: every size is rounded up to a multiple of it."""
SMALL_SIZE = 1_048_576
"""kSmallSize: requests up to it come from the small pool."""
SMALL_SEGMENT = 2_097_152
"""kSmallBuffer: the segment that small requests share."""
LARGE_SEGMENT = 20_971_520
"""large_segment_size: the segment of requests below MIN_LARGE_ALLOCATION."""
MIN_LARGE_ALLOCATION = 10_485_760
"""kMinLargeAlloc: from here on a request has a segment of its own."""
ROUND_LARGE = 2_097_152
"""kRoundLarge: which is rounded up to a multiple of it."""
STEPS = 2
"""The second step finds the segments of the first one cached, as every later one does."""


def rounded(size: int) -> int:
    """The block that a request takes."""
    return max(MIN_BLOCK, -(-size // MIN_BLOCK) * MIN_BLOCK)


def segment_size(size: int) -> int:
    """The bytes asked from the driver for a rounded request that no cached block serves."""
    if size <= SMALL_SIZE:
        return SMALL_SEGMENT
    if size < MIN_LARGE_ALLOCATION:
        return LARGE_SEGMENT
    return -(-size // ROUND_LARGE) * ROUND_LARGE


@dataclass(slots=True, eq=False)
class Block:
    """A piece of a segment, with its neighbours there."""

    address: int
    size: int
    is_small: bool
    is_free: bool = False
    before: Block | None = None
    after: Block | None = None

    @property
    def key(self) -> tuple[int, int]:
        """The order of free blocks: the smallest first, then by address."""
        return self.size, self.address


@dataclass(slots=True)
class CachingAllocator:
    """Blocks in use and cached; ``reserved`` bytes came from the driver."""

    allocated: int = 0
    reserved: int = 0
    _free: dict[bool, list[tuple[int, int]]] = field(default_factory=lambda: {True: [], False: []})
    _blocks: dict[int, Block] = field(default_factory=dict)
    _next_address: int = 0

    def take(self, size: int) -> Block | None:
        """A block for a request: the smallest cached one that is large enough, or of a new segment; none for 0 bytes."""
        if size == 0:
            return None
        size = rounded(size)
        block = self._cached(size) or self._segment(size)
        self._split(block, size)
        block.is_free = False
        self.allocated += block.size
        return block

    def give_back(self, block: Block) -> None:
        """Cache a block, joined with free neighbours of its segment."""
        self.allocated -= block.size
        before, after = block.before, block.after
        if before is not None and before.is_free:
            self._uncache(before)
            block = self._joined(before, block)
        if after is not None and after.is_free:
            self._uncache(after)
            block = self._joined(block, after)
        self._cache(block)

    def _cached(self, size: int) -> Block | None:
        pool = self._free[size <= SMALL_SIZE]
        place = bisect_left(pool, (size, -1))
        if place == len(pool):
            return None
        return self._blocks[pool.pop(place)[1]]

    def _segment(self, size: int) -> Block:
        block = Block(self._next_address, segment_size(size), size <= SMALL_SIZE)
        self._next_address += block.size
        self.reserved += block.size
        self._blocks[block.address] = block
        return block

    def _split(self, block: Block, size: int) -> None:
        """Leave what a request does not need to others, where enough is left."""
        rest = block.size - size
        if rest < MIN_BLOCK if block.is_small else rest <= SMALL_SIZE:
            return
        remaining = Block(block.address + size, rest, block.is_small, True, block, block.after)
        if block.after is not None:
            block.after.before = remaining
        block.size, block.after = size, remaining
        self._blocks[remaining.address] = remaining
        self._cache(remaining)

    def _joined(self, left: Block, right: Block) -> Block:
        """Two neighbours as one block."""
        del self._blocks[right.address]
        left.size += right.size
        left.after = right.after
        if right.after is not None:
            right.after.before = left
        return left

    def _cache(self, block: Block) -> None:
        block.is_free = True
        insort(self._free[block.is_small], block.key)

    def _uncache(self, block: Block) -> None:
        pool = self._free[block.is_small]
        del pool[bisect_left(pool, block.key)]


@record
class Simulated:
    """Peaks in blocks, ``at`` the request that reached the highest; ``resident`` before the step."""

    resident: int
    forward: int
    step: int
    reserved: int
    at: Allocation | None


def simulate(timeline: Timeline, resident: Sequence[int]) -> Simulated:
    """Two steps with these tensors there before them."""
    allocator = CachingAllocator()
    for size in resident:
        allocator.take(size)
    start = forward = step = allocator.allocated
    at: Allocation | None = None
    for _ in range(STEPS):
        held: dict[int, Block | None] = {}
        for is_taken, allocation in events(timeline):
            if is_taken:
                held[id(allocation)] = allocator.take(int(allocation.bytes))
                if allocation.phase == "forward":
                    forward = max(forward, allocator.allocated)
                if allocator.allocated > step:
                    step, at = allocator.allocated, allocation
            else:
                _give_back(allocator, held.pop(id(allocation)))
        for block in held.values():
            _give_back(allocator, block)
    return Simulated(start, forward, step, allocator.reserved, at)


def _give_back(allocator: CachingAllocator, block: Block | None) -> None:
    if block is not None:
        allocator.give_back(block)


def with_blocks(memory: Memory, timeline: Timeline, resident: Sequence[Dim]) -> Memory:
    """The memory with its peaks in blocks of the caching allocator. Raise OptionError for symbolic sizes."""
    sizes = [*resident, *(allocation.bytes for allocation in timeline.allocations)]
    symbolic = next((size for size in sizes if is_symbolic(size)), None)
    if symbolic is not None:
        raise OptionError(
            f"allocator cuda rounds numbers to blocks, received a tensor of {symbolic} bytes.",
            hint="Give every symbol a value, e.g. --batch 32 --symbol h=128, or leave --allocator out for the formula.",
        )
    found = simulate(timeline, [int(size) for size in resident])
    return replace(
        memory,
        allocator="cuda",
        resident=found.resident,
        forward_peak=found.forward,
        step_peak=found.step,
        forward_allocated=found.forward - found.resident,
        step_allocated=found.step - found.resident,
        step_peak_at=None if found.at is None else found.at.path,
        step_peak_phase=None if found.at is None else found.at.phase,
        reserved_peak=found.reserved,
    )
