"""Bytes that a step of the NumPy engine holds at its peak: by the program's liveness, and as the allocator saw it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any, cast

from nncost.ir import ops
from nncost.ir.execute import Program
from nncost.ir.numpy_types import numpy_dtype

_VIEWS = (*ops.VIEWS, ops.Split, ops.Stride)


def planned_peak(program: Program, given_bytes: int, workspaces: Sequence[int]) -> int:
    """Parameters, states and batch (``given_bytes``) plus the most bytes of values that live at once; views take none.

    ``workspaces`` are, per instruction, the bytes that its call takes beyond its results and gives back.
    """
    owner: dict[int, int] = {}
    size: dict[int, int] = {}
    users: dict[int, set[int]] = {}
    live, peak = 0, 0
    for step, workspace in zip(program.instructions, workspaces, strict=True):
        is_view = isinstance(step.node.op, _VIEWS)
        for slot, tensor in zip(step.writes, step.node.outputs, strict=True):
            owner[slot] = owner.get(step.reads[0], step.reads[0]) if is_view else slot
            users.setdefault(owner[slot], set()).add(slot)
            if not is_view:
                size[slot] = prod(cast("tuple[int, ...]", tensor.shape)) * _item_bytes(tensor.dtype, program.dtype)
                live += size[slot]
        peak = max(peak, live + workspace)
        for slot in step.last_uses:
            base = owner.get(slot, slot)
            users.get(base, set()).discard(slot)
            if base in size and not users[base]:
                live -= size.pop(base)
    return given_bytes + peak


def _item_bytes(dtype: str, floats: str | None) -> int:
    return int(numpy_dtype(floats if floats and "float" in dtype else dtype).itemsize)


def total_bytes(arrays: Iterable[Any]) -> int:
    """Bytes of all arrays."""
    return sum(int(array.nbytes) for array in arrays)


def measured_peak(run: Callable[[], object], given_bytes: int) -> int:
    """``given_bytes`` plus what NumPy took from the allocator at the peak of a call."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        run()
        return given_bytes + tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
