"""How cold an operator's tensors are when it runs: how much was touched in the step since they were.

A processor finds in its caches what it touched last; what is further back must come from a slower
level. Each argument has a *distance*: the bytes the step touched since it touched that argument. A
step follows a step, so distances wrap around. An operator's code has a distance too, and so has the
memory of its results: an allocator hands out again what was given back last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from torch.utils._pytree import tree_leaves

from nncost.frontends.torch.allocation.recorder import Argument, MemoryEvent, OpRecord
from nncost.records import record

FURTHEST = 256 * 2**20
"""Distances beyond this are alike: the data comes from main memory."""
_STEP = 4
"""Distances are told apart by factors of this: finer ones would need more runs than they would tell."""
_DEFAULT_CACHE_BYTES = 2**20
"""Where the system does not say: the second-level cache of a server core has 1 MiB or more (2026)."""
_CACHE_SIZE = Path("/sys/devices/system/cpu/cpu0/cache/index2/size")


@record
class Job:
    """One operator to be timed with its arguments at their distances (0: still in the second-level cache)."""

    recorded: OpRecord
    distances: tuple[int, ...]
    code: int
    results: int = 0

    @property
    def key(self) -> str:
        """Equal for jobs that take the same time."""
        recorded = self.recorded
        leaves = tree_leaves((recorded.args, dict(recorded.kwargs)))
        shown = [(*leaf.layout, leaf.requires_grad) if isinstance(leaf, Argument) else leaf for leaf in leaves]
        names = sorted(recorded.kwargs)
        tracked = recorded.phase in ("forward", "loss")
        return repr((str(recorded.operator), shown, names, tracked, self.distances, self.code, self.results))


def second_level_bytes() -> int:
    """The second-level cache of one core."""
    try:
        text = _CACHE_SIZE.read_text().strip()
        return int(text.removesuffix("K")) * 2**10 if text.endswith("K") else int(text)
    except (OSError, ValueError):
        return _DEFAULT_CACHE_BYTES


def jobs_of(
    operators: Sequence[OpRecord], memory: Sequence[MemoryEvent] = (), cache_bytes: int | None = None
) -> list[Job]:
    """One job for each operator, in order; ``memory`` are the step's events."""
    state = _Touched(second_level_bytes() if cache_bytes is None else cache_bytes)
    events: dict[int, list[MemoryEvent]] = {}
    for event in memory:
        events.setdefault(event.position, []).append(event)
    for _ in _jobs(operators, events, state):  # the step before
        pass
    return list(_jobs(operators, events, state))


def _jobs(operators: Sequence[OpRecord], events: Mapping[int, Sequence[MemoryEvent]], state: _Touched) -> Iterator[Job]:
    for position, operator in enumerate(operators):
        results = max((state.happened(event) for event in events.get(position, ())), default=0)
        distances = tuple(state.distance(argument) for argument in operator.tensors())
        yield Job(operator, distances, state.code_distance(operator), results)
        state.ran(operator)
    state.step_ended()


class _Touched:
    """When memory and code were touched last, on a clock of bytes."""

    def __init__(self, reach: int) -> None:
        self._reach, self._clock = reach, 0
        self._memory: dict[int, int] = {}
        self._code: dict[str, int] = {}
        self._held: dict[int, int] = {}
        self._free: dict[int, list[int]] = {}

    def happened(self, event: MemoryEvent) -> int:
        """Memory was taken or given back; the distance of what was taken."""
        if event.bytes is None:
            self._give_back(event.storage)
            return 0
        self._held[event.storage] = event.bytes
        free = self._free.get(event.bytes)
        return self._level(self._clock - free.pop() + event.bytes) if free else FURTHEST

    def _give_back(self, storage: int) -> None:
        size = self._held.pop(storage, None)
        if size is not None:
            self._free.setdefault(size, []).append(self._memory.get(storage, self._clock))

    def step_ended(self) -> None:
        """Gradients and outputs are given back."""
        for storage in list(self._held):
            self._give_back(storage)

    def distance(self, argument: Argument) -> int:
        """The distance of an argument; its own bytes count, as it may push itself out."""
        touched = self._memory.get(argument.storage)
        return FURTHEST if touched is None else self._level(self._clock - touched + argument.bytes)

    def code_distance(self, operator: OpRecord) -> int:
        """The distance of an operator's code."""
        ran = self._code.get(str(operator.operator))
        return FURTHEST if ran is None else self._level(self._clock - ran)

    def _level(self, bytes_: int) -> int:
        if bytes_ <= self._reach:
            return 0
        level = self._reach * _STEP
        while level < min(bytes_, FURTHEST):
            level *= _STEP
        return min(level, FURTHEST)

    def ran(self, operator: OpRecord) -> None:
        """An operator touched its arguments and results; a view touches nothing."""
        if operator.is_view:
            return
        touched = (*operator.tensors(), *operator.results)
        self._clock += sum({argument.storage: argument.bytes for argument in touched}.values())
        self._memory |= {argument.storage: self._clock for argument in touched}
        self._code[str(operator.operator)] = self._clock
