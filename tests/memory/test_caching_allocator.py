"""The allocator for CUDA: hand cases from its documented constants, and what must hold for any sequence."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nncost
from nncost.counting.memory.caching_allocator import Block, CachingAllocator, rounded, segment_size, simulate
from nncost.ir.storage import Allocation, Timeline

KIB, MIB = 1_024, 1_024 * 1_024


@pytest.mark.parametrize(("asked", "block"), [(1, 512), (512, 512), (513, 1_024), (MIB, MIB), (MIB + 1, MIB + 512)])
def test_requests_are_rounded(asked: int, block: int) -> None:
    assert rounded(asked) == block


@pytest.mark.parametrize(
    ("size", "segment"),
    [(512, 2 * MIB), (MIB, 2 * MIB), (MIB + 512, 20 * MIB), (10 * MIB - 512, 20 * MIB), (10 * MIB, 10 * MIB), (10 * MIB + 512, 12 * MIB)],
)  # fmt: skip
def test_segments(size: int, segment: int) -> None:
    assert segment_size(size) == segment


def test_small_requests_share_a_segment() -> None:
    allocator = CachingAllocator()
    for _ in range(2 * MIB // 512):
        allocator.take(100)
    assert (allocator.allocated, allocator.reserved) == (2 * MIB, 2 * MIB)
    allocator.take(1)
    assert (allocator.allocated, allocator.reserved) == (2 * MIB + 512, 4 * MIB)


def test_large_requests_share_one_of_twenty() -> None:
    allocator = CachingAllocator()
    for _ in range(4):
        allocator.take(5 * MIB)
    assert (allocator.allocated, allocator.reserved) == (20 * MIB, 20 * MIB)


def test_a_small_rest_of_a_large_block_is_not_split_off() -> None:
    allocator = CachingAllocator()
    allocator.take(11 * MIB + 512 * KIB)  # Half a MiB of a segment of 12 is left: it stays with the block.
    assert (allocator.allocated, allocator.reserved) == (12 * MIB, 12 * MIB)
    allocator.take(10 * MIB + 1)  # Here nearly 2 MiB are left, and split off.
    assert (allocator.allocated, allocator.reserved) == (12 * MIB + 10 * MIB + 512, 24 * MIB)


def test_neighbours_join_when_they_are_freed() -> None:
    allocator = CachingAllocator()
    blocks = [allocator.take(MIB // 2) for _ in range(4)]
    for number in (0, 2, 3, 1):
        block = blocks[number]
        assert block is not None
        allocator.give_back(block)
    assert allocator.allocated == 0
    for _ in range(2):
        allocator.take(MIB)  # Fits only where the four halves are whole again.
    assert allocator.reserved == 2 * MIB


def test_the_smallest_block_that_fits_is_used() -> None:
    allocator = CachingAllocator()
    wide, _, narrow, _ = (allocator.take(size) for size in (2_048, 512, 1_024, 512))
    assert wide is not None
    assert narrow is not None
    allocator.give_back(wide)
    allocator.give_back(narrow)
    again = allocator.take(700)
    assert again is not None
    assert again.address == narrow.address


def test_nothing_takes_nothing() -> None:
    assert CachingAllocator().take(0) is None


def test_pools_are_apart() -> None:
    allocator = CachingAllocator()
    block = allocator.take(2 * MIB)
    assert block is not None
    allocator.give_back(block)
    allocator.take(512)
    assert allocator.reserved == 22 * MIB


sizes = st.one_of(st.integers(1, 4_096), st.integers(1, 3 * MIB), st.integers(1, 40 * MIB))


@given(st.lists(st.tuples(sizes, st.booleans(), st.integers(0, 1_000)), max_size=60))
def test_any_sequence(steps: list[tuple[int, bool, int]]) -> None:
    allocator, used = CachingAllocator(), []
    for size, takes, which in steps:
        if takes or not used:
            block = allocator.take(size)
            assert block is not None
            assert block.size >= size
            used.append(block)
        else:
            allocator.give_back(used.pop(which % len(used)))
        assert allocator.allocated == sum(block.size for block in used)
        assert allocator.reserved >= allocator.allocated
        check_apart(used)
    for block in used:
        allocator.give_back(block)
    assert sum(size for pool in allocator._free.values() for size, _ in pool) == allocator.reserved


def check_apart(used: list[Block]) -> None:
    """No two blocks overlap; a free one never has a free neighbour."""
    ordered = sorted(used, key=lambda block: block.address)
    for left, right in pairwise(ordered):
        assert left.address + left.size <= right.address
    for block in used:
        for neighbour in (block.before, block.after):
            if neighbour is not None and neighbour.is_free:
                for other in (neighbour.before, neighbour.after):
                    assert other is None or other is block or not other.is_free


def test_a_timeline() -> None:
    """100 bytes stay; 3 MiB come and go, then 1 MiB from the other pool: 2 + 20 MiB are reserved."""
    timeline = Timeline(
        (
            Allocation(3 * MIB, 0, 1, "a", "forward"),
            Allocation(MIB, 2, None, "b", "backward"),
        )
    )
    found = simulate(timeline, [100])
    assert (found.resident, found.forward, found.step) == (512, 512 + 3 * MIB, 512 + 3 * MIB)
    assert found.reserved == 2 * MIB + 20 * MIB
    assert found.at is timeline.allocations[0]


def test_a_report_in_blocks() -> None:
    exact, blocks = (nncost.count("784-16-16-10", allocator=name).memory for name in ("exact", "cuda"))
    # 6 parameters: 50,176 + 1,024 + 1,024 (of 640) and three of 512; the input 3,136 in 3,584, the target 512.
    assert blocks.resident == 50_176 + 1_024 + 1_024 + 3 * 512 + 3_584 + 512
    # Gradients as the parameters; the loss and the gradient of 16 sums take 512 each.
    assert blocks.step_allocated == 50_176 + 1_024 + 1_024 + 3 * 512 + 2 * 512
    assert blocks.step_peak == blocks.resident + blocks.step_allocated
    assert blocks.reserved_peak == 2 * MIB
    assert exact.reserved_peak is None
    assert blocks.parameters == exact.parameters
    data = nncost.count("784-16-16-10", allocator="cuda").to_dict()["memory"]
    assert json.loads(json.dumps(data))["reserved_peak"] == 2 * MIB
    assert data["allocator"] == "cuda"


def test_symbols_have_no_blocks() -> None:
    with pytest.raises(nncost.NncostError, match=r"allocator cuda .*3136\*h bytes"):
        nncost.count("784-h-10", allocator="cuda")
    with pytest.raises(nncost.NncostError, match="Accepted: exact, cuda"):
        nncost.count("784-10", allocator="rocm")
