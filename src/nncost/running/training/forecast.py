"""How long a step will take, said before the first one: each distinct call of its plan is timed apart.

A step's own data evicts what earlier calls left in the caches, so a call that is repeated in a loop looks faster
than it is. Between two timings as many bytes are read as a step itself touches, up to more than the caches of a
core hold, and the median of few timings is taken.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nncost.running.training.plan import Plan, Step
from nncost.running.training.tables.table import Array

STREAMED_BYTES = 8 * 2**20
"""More than the private caches of a core hold."""
TIMINGS = 5
BUDGET_SECONDS = 2.0
_DISPATCH_LOOPS = 200


@dataclass(slots=True)
class Alike:
    """Calls with the same operation on inputs of the same shapes, and one set of inputs."""

    step: Step
    arguments: list[Array]
    times: int = 0


def step_seconds(plan: Plan, feeds: dict[Any, Array], constants: dict[str, float], touched_bytes: int) -> float:
    """Seconds of one run of a plan: the timed calls, each as often as it occurs, and what the plan itself takes."""
    alike: dict[object, Alike] = {}
    order: Counter[object] = Counter()

    def note(step: Step, arguments: Sequence[Array]) -> None:
        key = (repr(step.node.op) if not hasattr(step.node.op, "body") else id(step.node), *(
            (x.shape, x.strides, x.dtype.str) for x in map(np.asarray, arguments)
        ))  # fmt: skip
        if key not in alike:
            alike[key] = Alike(step, [np.array(x, copy=None) for x in arguments])
        order[key] += 1

    with np.errstate(all="ignore"):
        plan.run(feeds, constants, note)
        timed = _timed(alike, min(touched_bytes, STREAMED_BYTES))
    return sum(timed[key] * times for key, times in order.items()) + _dispatch_seconds(len(plan.steps))


def _timed(alike: dict[object, Alike], streamed: int) -> dict[object, float]:
    """The median of each distinct call; once round and round, so that a disturbance hits few timings of each."""
    stream = np.ones(max(1, streamed // 8))
    found: dict[object, list[float]] = {key: [] for key in alike}
    deadline = time.perf_counter() + BUDGET_SECONDS
    for turn in range(TIMINGS):
        for key, call in alike.items():
            if turn and time.perf_counter() > deadline:
                break
            stream.sum()
            start = time.perf_counter()
            call.step.call(*call.arguments)
            found[key].append(time.perf_counter() - start)
    return {key: statistics.median(times) for key, times in found.items()}


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
