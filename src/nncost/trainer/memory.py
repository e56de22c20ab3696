"""Bytes a step of the NumPy engine holds at its peak: by the plan's liveness, and as the allocator saw it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any, cast

import numpy as np

from nncost.ir import ops
from nncost.trainer.plan import Plan

_VIEWS = (*ops.VIEWS, ops.Split, ops.Stride)


def planned_peak(plan: Plan, given_bytes: int, workspaces: Sequence[int]) -> int:
    """Parameters, states and batch (``given_bytes``) and, on top, the values that live at once; views cost nothing.

    ``workspaces`` are what each step's call takes beyond its results and gives back.
    """
    owner: dict[int, int] = {}
    size: dict[int, int] = {}
    users: dict[int, set[int]] = {}
    live, peak = 0, 0
    for step, workspace in zip(plan.steps, workspaces, strict=True):
        is_view = isinstance(step.node.op, _VIEWS)
        for place, tensor in zip(step.writes, step.node.outputs, strict=True):
            owner[place] = owner.get(step.reads[0], step.reads[0]) if is_view else place
            users.setdefault(owner[place], set()).add(place)
            if not is_view:
                size[place] = prod(cast("tuple[int, ...]", tensor.shape)) * _item_bytes(tensor.dtype, plan.dtype)
                live += size[place]
        peak = max(peak, live + workspace)
        for place in step.dies:
            base = owner.get(place, place)
            users.get(base, set()).discard(place)
            if base in size and not users[base]:
                live -= size.pop(base)
    return given_bytes + peak


def _item_bytes(dtype: str, floats: str) -> int:
    return np.dtype(floats if "float" in dtype else dtype).itemsize


def total_bytes(arrays: Iterable[Any]) -> int:
    """Bytes of all arrays."""
    return sum(int(array.nbytes) for array in arrays)


def measured_peak(run: Callable[[], object], given_bytes: int) -> int:
    """What NumPy took from the allocator at the peak of a call, on top of ``given_bytes``."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        run()
        return given_bytes + tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
