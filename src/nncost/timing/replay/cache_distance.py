"""How cold an operator's tensors are when it runs: how much the step has accessed since it last accessed them.

A processor finds in its caches what it accessed last; what is further back must come from a slower
level. Each argument has a *distance*: the bytes the step accessed since it accessed that argument. A
step follows a step, so distances wrap around. An operator's code has a distance too, and so has the
memory of its results: an allocator hands out again what was freed last.
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
_NEARER = 2
"""A level stands for distances up to so many times its own: the nearest one counts."""
_DEFAULT_CACHE_BYTES = 2**20
"""Where the system does not say: the second-level cache of a server core has 1 MiB or more (2026)."""
_CACHE_SIZE = Path("/sys/devices/system/cpu/cpu0/cache/index2/size")


@record
class Job:
    """One call of an operator to be timed with its arguments at their distances (0: still in the second-level cache)."""

    call: OpRecord
    distances: tuple[int, ...]
    code: int
    results: int = 0

    @property
    def key(self) -> str:
        """Equal for jobs that take the same time."""
        return repr((described(self.call), self.distances, self.code, self.results))


def described(call: OpRecord) -> str:
    """Equal for calls that do the same work: the operator and its arguments' layouts and values."""
    leaves = tree_leaves((call.args, dict(call.kwargs)))
    shown = [(*leaf.layout, leaf.requires_grad) if isinstance(leaf, Argument) else leaf for leaf in leaves]
    return repr((str(call.operator), shown, sorted(call.kwargs), call.phase in ("forward", "loss")))


def second_level_bytes() -> int:
    """The second-level cache of one core."""
    try:
        text = _CACHE_SIZE.read_text().strip()
        return int(text.removesuffix("K")) * 2**10 if text.endswith("K") else int(text)
    except (OSError, ValueError):
        return _DEFAULT_CACHE_BYTES


def jobs_of(calls: Sequence[OpRecord], memory: Sequence[MemoryEvent] = (), cache_bytes: int | None = None) -> list[Job]:
    """Return one job per call, in order; ``memory`` are the step's events."""
    history = _AccessHistory(second_level_bytes() if cache_bytes is None else cache_bytes)
    events: dict[int, list[MemoryEvent]] = {}
    for event in memory:
        events.setdefault(event.position, []).append(event)
    for _ in _jobs(calls, events, history):  # the step before
        pass
    return list(_jobs(calls, events, history))


def _jobs(
    calls: Sequence[OpRecord], events: Mapping[int, Sequence[MemoryEvent]], history: _AccessHistory
) -> Iterator[Job]:
    for position, call in enumerate(calls):
        results = max((history.note_event(event) for event in events.get(position, ())), default=0)
        distances = tuple(history.distance(argument) for argument in call.tensors())
        yield Job(call, distances, history.code_distance(call), results)
        history.note_call(call)
    history.end_step()


class _AccessHistory:
    """When memory and code were last accessed, on a clock of bytes."""

    def __init__(self, reach: int) -> None:
        self._reach, self._clock = reach, 0
        self._memory: dict[int, int] = {}
        self._code: dict[str, int] = {}
        self._held: dict[int, int] = {}
        self._free: dict[int, list[int]] = {}

    def note_event(self, event: MemoryEvent) -> int:
        """Note that memory was allocated or freed, and return the distance of what was allocated."""
        if event.bytes is None:
            self._free_storage(event.storage)
            return 0
        self._held[event.storage] = event.bytes
        free = self._free.get(event.bytes)
        return self._level(self._clock - free.pop() + event.bytes) if free else FURTHEST

    def _free_storage(self, storage: int) -> None:
        size = self._held.pop(storage, None)
        if size is not None:
            self._free.setdefault(size, []).append(self._memory.get(storage, self._clock))

    def end_step(self) -> None:
        """Free gradients and outputs."""
        for storage in list(self._held):
            self._free_storage(storage)

    def distance(self, argument: Argument) -> int:
        """The distance of an argument; its own bytes count, as it may push itself out."""
        accessed = self._memory.get(argument.storage)
        return FURTHEST if accessed is None else self._level(self._clock - accessed + argument.bytes)

    def code_distance(self, call: OpRecord) -> int:
        """The distance of an operator's code."""
        ran = self._code.get(str(call.operator))
        return FURTHEST if ran is None else self._level(self._clock - ran)

    def _level(self, bytes_: int) -> int:
        if bytes_ <= self._reach:
            return 0
        level = self._reach * _STEP
        while level * _NEARER < min(bytes_, FURTHEST):
            level *= _STEP
        return min(level, FURTHEST)

    def note_call(self, call: OpRecord) -> None:
        """Note that a call accessed its arguments and results; a view accesses nothing."""
        if call.is_view:
            return
        accessed = (*call.tensors(), *call.results)
        self._clock += sum({argument.storage: argument.bytes for argument in accessed}.values())
        self._memory |= {argument.storage: self._clock for argument in accessed}
        self._code[str(call.operator)] = self._clock
