"""Seconds of a NumPy step before the first one: each distinct call of its program is timed by itself.

A step's own data evicts what earlier calls left in the caches, so a call that is repeated in a loop looks faster
than it is. Between two timings as many bytes are read as a step itself touches, up to more than the caches of a
core hold, and the median of few timings is taken. What a call takes from the allocator and gives back is its workspace.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from nncost.ir import ops
from nncost.ir.execute import Instruction, Program
from nncost.ir.graph import Tensor
from nncost.records import record, replace
from nncost.trainer.tables.table import Array

STREAMED_BYTES = 8 * 2**20
"""More than the private caches of a core hold."""
TIMINGS = 5
BUDGET_SECONDS = 2.0
_DISPATCH_LOOPS = 200
_ITEM_BYTES = 8


@record
class SampleCall:
    """A call with one set of inputs; it stands for all calls of its operation on inputs of those shapes."""

    instruction: Instruction
    arguments: tuple[Array, ...]

    def __call__(self) -> Any:
        """Run it once."""
        return self.instruction.call(*self.arguments)


@record
class DistinctCalls:
    """The distinct calls of a program by key, and the key of each instruction in order."""

    calls: Mapping[Hashable, SampleCall]
    order: Sequence[Hashable]

    def seconds(self, touched_bytes: int) -> float:
        """Seconds of a run: the timed calls, each as often as it occurs, plus what the program's own loop takes."""
        with np.errstate(all="ignore"):
            timed = _timed(self.calls, min(touched_bytes, STREAMED_BYTES))
        total = sum(timed[key] * times for key, times in Counter(self.order).items())
        return total + _dispatch_seconds(len(self.order))

    def workspaces(self) -> list[int]:
        """Per instruction, the bytes that its call takes beyond its results and gives back."""
        with np.errstate(all="ignore"):
            found = {key: _workspace(call) for key, call in self.calls.items()}
        return [found[key] for key in self.order]


def distinct_calls(
    program: Program, feeds: Mapping[Tensor, Array], settings: Mapping[str, float]
) -> DistinctCalls:  # fmt: skip
    """Run a program once and keep an example of each distinct call."""
    calls: dict[Hashable, SampleCall] = {}
    order: list[Hashable] = []

    def noted(instruction: Instruction) -> Instruction:
        def call(*arguments: Array) -> Any:
            arrays, op = tuple(map(np.asarray, arguments)), instruction.node.op
            operation = id(op) if isinstance(op, ops.Repeat) else repr(op)
            key = (operation, *((x.shape, x.strides, x.dtype.str) for x in arrays))
            calls.setdefault(key, SampleCall(instruction, arrays))
            order.append(key)
            return instruction.call(*arguments)

        return replace(instruction, call=call)

    with np.errstate(all="ignore"):
        replace(program, instructions=[noted(step) for step in program.instructions]).run(feeds, settings)
    return DistinctCalls(calls, order)


def _timed(calls: Mapping[Hashable, SampleCall], streamed: int) -> dict[Hashable, float]:
    """The median of each distinct call; round and round, so that a disturbance hits few timings of each."""
    stream = np.ones(max(1, streamed // _ITEM_BYTES))
    found: dict[Hashable, list[float]] = {key: [] for key in calls}
    deadline = time.perf_counter() + BUDGET_SECONDS
    for turn in range(TIMINGS):
        for key, call in calls.items():
            if turn and time.perf_counter() > deadline:
                break
            stream.sum()
            start = time.perf_counter()
            call()
            found[key].append(time.perf_counter() - start)
    return {key: statistics.median(times) for key, times in found.items()}


def _workspace(call: SampleCall) -> int:
    tracemalloc.start()
    try:
        result = call()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    results = result if isinstance(result, (list, tuple)) else (result,)
    own = [array for array in results if not any(np.may_share_memory(array, x) for x in call.arguments)]
    return max(0, peak - sum(int(array.nbytes) for array in own))


def _dispatch_seconds(instructions: int) -> float:
    """What picking arguments and storing results takes: the program's loop over calls that do nothing."""
    values: list[Any] = [None] * 4
    reads, writes = (0, 1), (2,)
    start = time.perf_counter()
    for _ in range(_DISPATCH_LOOPS):
        result = _nothing(*[values[slot] for slot in reads])
        if len(writes) == 1:
            values[writes[0]] = result
    return (time.perf_counter() - start) / _DISPATCH_LOOPS * instructions


def _nothing(*arguments: Any) -> Any:
    """Stand for a call."""
