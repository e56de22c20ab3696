"""What a step will take, said before the first one: each distinct call of its plan is run apart.

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
from dataclasses import dataclass
from typing import Any

import numpy as np

from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.trainer.plan import Plan, Step
from nncost.trainer.tables.table import Array

STREAMED_BYTES = 8 * 2**20
"""More than the private caches of a core hold."""
TIMINGS = 5
BUDGET_SECONDS = 2.0
_DISPATCH_LOOPS = 200
_ITEM_BYTES = 8


@dataclass(frozen=True, slots=True)
class Alike:
    """Calls with the same operation on inputs of the same shapes, and one set of inputs."""

    step: Step
    arguments: tuple[Array, ...]

    def __call__(self) -> Any:
        """Run it once."""
        return self.step.call(*self.arguments)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The distinct calls of one run of a plan, and which of them each step is."""

    calls: Mapping[Hashable, Alike]
    order: Sequence[Hashable]

    def seconds(self, touched_bytes: int) -> float:
        """Seconds of a run: the timed calls, each as often as it occurs, and what the plan itself takes."""
        with np.errstate(all="ignore"):
            timed = _timed(self.calls, min(touched_bytes, STREAMED_BYTES))
        total = sum(timed[key] * times for key, times in Counter(self.order).items())
        return total + _dispatch_seconds(len(self.order))

    def workspaces(self) -> list[int]:
        """For each step, the bytes its call takes beyond its results and gives back."""
        with np.errstate(all="ignore"):
            found = {key: _workspace(call) for key, call in self.calls.items()}
        return [found[key] for key in self.order]


def rehearsed(plan: Plan, feeds: Mapping[Tensor, Array], constants: Mapping[str, float]) -> Rehearsal:
    """Run a plan once and keep an example of each distinct call."""
    calls: dict[Hashable, Alike] = {}
    order: list[Hashable] = []

    def note(step: Step, arguments: Sequence[Array]) -> None:
        arrays = tuple(np.asarray(argument) for argument in arguments)
        operation = id(step.node) if isinstance(step.node.op, ops.Repeat) else repr(step.node.op)
        key = (operation, *((x.shape, x.strides, x.dtype.str) for x in arrays))
        calls.setdefault(key, Alike(step, arrays))
        order.append(key)

    with np.errstate(all="ignore"):
        plan.run(feeds, constants, note)
    return Rehearsal(calls, order)


def _timed(calls: Mapping[Hashable, Alike], streamed: int) -> dict[Hashable, float]:
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


def _workspace(call: Alike) -> int:
    tracemalloc.start()
    try:
        result = call()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    results = result if isinstance(result, (list, tuple)) else (result,)
    own = [array for array in results if not any(np.may_share_memory(array, x) for x in call.arguments)]
    return max(0, peak - sum(int(array.nbytes) for array in own))


def _dispatch_seconds(steps: int) -> float:
    """What picking arguments and storing results takes: the same loop over calls that do nothing."""
    values: list[Any] = [None] * 4
    reads, writes = (0, 1), (2,)
    start = time.perf_counter()
    for _ in range(_DISPATCH_LOOPS):
        arguments = [values[place] for place in reads]
        result = _nothing(*arguments)
        if len(writes) == 1:
            values[writes[0]] = result
    return (time.perf_counter() - start) / _DISPATCH_LOOPS * steps


def _nothing(*arguments: Any) -> Any:
    """Stand for a call."""
