"""The time of one operator on real tensors, as cold as it is in the step."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map

from nncost.frontends.torch.allocation.recorder import inplace_form
from nncost.pipeline.count import no_collection
from nncost.records import record
from nncost.timing.devices.fingerprint import available_bytes
from nncost.timing.replay.cache_distance import FURTHEST, Job
from nncost.timing.replay.page_faults import PART, faults_so_far
from nncost.timing.replay.tensors import real_arguments

REPEATS = 7
ROUNDS, SCATTER, PAUSE_SECONDS = 4, 0.3, 0.02
"""Rounds that are tried at most, how far the median may lie above the quartile, and a pause before another."""
_CALLS = 3
_SHORTEST_OF = 100
LARGE = 16 * 2**20
"""Bytes of arguments from which on an operator is large."""
_FEWER_ABOVE = 0.05
_FEWER = 3
"""An operator that takes longer than this many seconds is repeated less often: noise is small beside it."""


@record
class Timed:
    """Seconds of one call (median, and the quartiles around it), and the pages it touched first."""

    seconds: float
    low: float
    high: float
    faults: float


class CacheFlusher:
    """Memory that is read and written to evict other memory from the caches, as far as it is in the step."""

    def __init__(self) -> None:
        self._memory = torch.zeros(FURTHEST // 4)
        self._single = torch.zeros(1)

    def flush(self, bytes_: int) -> None:
        """Read and write that many bytes, on every thread."""
        if bytes_ > 0:
            self._memory[: bytes_ // 4].add_(1.0)

    def place(self, touches: Sequence[tuple[int, Callable[[], object]]]) -> None:
        """Leave everything at its distance: what is furthest away is touched first."""
        left = max(distance for distance, _ in touches)
        for distance, touch in sorted(touches, key=lambda pair: -pair[0]):
            if distance < left:
                self.flush(left - distance)
                left = distance
            if distance < FURTHEST:
                touch()
        self.flush(left)
        self.run_others()

    def run_others(self) -> None:
        """Run some other operators, as a step always just did."""
        for _ in range(_CALLS):
            torch.ops.aten.add_.Tensor(self._single, self._single)


def call_seconds() -> float:
    """What a call by an operator's own name takes beyond a call as networks make it: seconds, the middle of some operators.

    Operators are timed by their names. Their arguments are looked at once more on that way.
    """
    square, aten = torch.zeros(16, 16), torch.ops.aten
    pairs: tuple[tuple[Callable[[], object], Callable[[], object]], ...] = (
        (partial(aten.mm.default, square, square), partial(torch.mm, square, square)),
        (partial(aten.relu.default, square), partial(torch.relu, square)),
        (partial(aten.add_.Tensor, square, square), partial(square.add_, square)),
    )
    with torch.no_grad(), no_collection():
        more = [_shortest(named) - _shortest(usual) for named, usual in pairs]
    return max(0.0, statistics.median(more))


def _shortest(run: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_SHORTEST_OF):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def time_job(job: Job, flusher: CacheFlusher, repeats: int = REPEATS) -> Timed:
    """The time of a job. Raise what the operator raises on its arguments.

    Where the times scatter, something else is running: further rounds are tried, and the quietest counts.
    """
    call = inplace_form(job.call)
    _check_memory(job)
    repeated = _RepeatedCall(job, call.operator, *real_arguments(call))
    tracked = call.phase in ("forward", "loss") and not call.operator._schema.is_mutable
    best: Timed | None = None
    with torch.set_grad_enabled(tracked), no_collection():
        for _ in range(ROUNDS):
            timed = repeated.round(flusher, repeats)
            best = timed if best is None or timed.low < best.low else best
            if timed.seconds <= best.low * (1 + SCATTER):
                break
            time.sleep(PAUSE_SECONDS)
    assert best is not None
    return best


def _check_memory(job: Job) -> None:
    """Raise ValueError for an operator that would take a good part of the memory there is."""
    needed = sum(argument.bytes for argument in (*job.call.tensors(), *job.call.results))
    free = available_bytes()
    if free and needed > free * PART:
        raise ValueError(f"{needed} bytes of {free}")


class _RepeatedCall:
    """An operator with its arguments, run again and again as cold as the job says."""

    def __init__(self, job: Job, operator: Any, args: Any, kwargs: Any) -> None:
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        touches = [partial(_touch, tensor.detach()) for tensor in tensors]
        self._placed: list[Any] = [*zip(job.distances, touches, strict=False)]
        self._placed += [(job.code, _earlier_call(job, operator, args, kwargs)), (job.results, _nothing)]
        self._is_cold = bool(job.code or job.results or any(job.distances))
        self._run = partial(operator, *args, **kwargs)
        self._kept = self._run()

    def round(self, flusher: CacheFlusher, repeats: int) -> Timed:
        """Some calls, summed up."""
        seconds: list[float] = []
        faults: list[int] = []
        while len(seconds) < repeats:
            if self._is_cold:
                flusher.place(self._placed)
            before = faults_so_far()
            start = time.perf_counter()
            self._kept = self._run()
            seconds.append(time.perf_counter() - start)
            faults.append(faults_so_far() - before)
            if len(seconds) == _FEWER and min(seconds) > _FEWER_ABOVE:
                break
        return _summary(seconds, faults)


def _earlier_call(job: Job, run: Any, args: Any, kwargs: Any) -> Callable[[], None]:
    """A call of the same operator on other memory: what made its code familiar in the step.

    Large operators go without: what they do takes longer than finding their code.
    """
    if sum(argument.bytes for argument in job.call.tensors()) > LARGE:
        return _nothing
    other_args, other_kwargs = tree_map(_copied, (args, kwargs))

    def again() -> None:
        run(*other_args, **other_kwargs)

    return again


def _nothing() -> None:
    pass


def _copied(value: Any) -> Any:
    """Other memory of the same shape and strides."""
    if not isinstance(value, torch.Tensor):
        return value
    copy = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype).copy_(value.detach())
    return copy.requires_grad_(value.requires_grad)


def _touch(tensor: torch.Tensor) -> None:
    """Bring a tensor into the caches."""
    torch.count_nonzero(tensor) if tensor.dtype is torch.bool else tensor.sum()


def _summary(seconds: Sequence[float], faults: Sequence[int]) -> Timed:
    ordered = sorted(seconds)
    quarter = len(ordered) // 4
    return Timed(statistics.median(ordered), ordered[quarter], ordered[-1 - quarter], float(statistics.median(faults)))
