"""A whole step from its operators: their times, first touches of memory, and the framework around them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nncost.frontends.torch.allocation.recorder import OpRecord, Recording
from nncost.timing import Progress
from nncost.timing.devices.profile import Profile
from nncost.timing.replay.cache_distance import Job, jobs_of
from nncost.timing.replay.page_faults import Faults, faults_of
from nncost.timing.replay.timing import CacheFlusher, Timed, call_seconds, time_job
from nncost.timing.replay.timing_cache import TimingCache

MANY_PAGES = 1_000
"""So many first touches tell what one takes better than the profile does."""
Place = tuple[str, str]
"""A layer's path and a phase: forward, backward or update."""


@dataclass(slots=True)
class LayerSeconds:
    """Seconds of one layer in one phase by what they go into; ``low`` and ``high`` are quartiles of its operators' times."""

    operators: float = 0.0
    low: float = 0.0
    high: float = 0.0
    overhead: float = 0.0
    faults: float = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return self.operators + self.overhead + self.faults


@dataclass(slots=True)
class Replayed:
    """A step's seconds by place, and the operators that could not be run by name."""

    seconds: dict[Place, LayerSeconds] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def at(self, path: str, phase: str) -> LayerSeconds:
        """The seconds of a place, to be added to."""
        return self.seconds.setdefault((path, phase), LayerSeconds())


def phase_of(call: OpRecord) -> str:
    """The phase whose seconds an operator is part of: the loss belongs to forward, its gradient to backward."""
    if call.phase == "loss":
        return "backward" if call.in_backward else "forward"
    return call.phase


def replay(
    recording: Recording,
    profile: Profile,
    cache: TimingCache,
    progress: Progress | None = None,
) -> Replayed:
    """The seconds of a recorded step on this machine; operators that were timed before are not run again."""
    result = Replayed()
    faults = faults_of(recording.memory)
    each = profile.page_fault
    if faults is None:
        result.notes.append("the step is too large to repeat its allocations here: page faults are not in it.")
    elif faults.total > MANY_PAGES:
        each = sum(faults.seconds.values()) / faults.total
    jobs = jobs_of(recording.operators, recording.memory)
    times = timed_jobs([job for job in jobs if not job.call.is_view], cache, each, progress)
    if cache.slowdown is not None:
        result.notes.append(
            f"this machine is busy: fixed reference work takes {cache.slowdown:.1f} times as long as when it was calibrated, and so "
            "may operators that were timed just now. They are timed again next time."
        )
    for job in jobs:
        call = job.call
        spent = result.at(call.path, phase_of(call))
        spent.overhead += profile.overheads.get(overhead_name(call) or "", 0.0)
        if call.is_view:
            continue
        timed = times.get(job.key)
        if timed is None:
            name = str(call.operator)
            result.missing[name] = result.missing.get(name, 0) + 1
            continue
        spent.operators += timed.low  # what else runs on the machine only ever makes a call longer
        spent.low += timed.low
        spent.high += timed.high
    if faults is not None:
        _add_faults(result, recording, faults)
    _add_framework(result, recording, profile.overheads)
    return result


def timed_jobs(
    jobs: Iterable[Job], cache: TimingCache, page_fault: float, progress: Progress | None = None
) -> Mapping[str, Timed]:
    """The time of each distinct job without its page faults, which depend on what ran before; those that fail are left out."""
    distinct = {job.key: job for job in jobs}
    found: dict[str, Timed] = {}
    flusher: CacheFlusher | None = None
    call = 0.0
    for done, (key, job) in enumerate(distinct.items()):
        timed = cache.find(key)
        if timed is None:
            if flusher is None:
                flusher, call = CacheFlusher(), call_seconds()
            try:
                timed = alone(time_job(job, flusher), page_fault, call)
            except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
                continue
            cache.keep(key, timed)
        found[key] = timed
        if progress is not None:
            progress("timing operators", done + 1, len(distinct))
    cache.save()
    return found


def alone(timed: Timed, page_fault: float, call: float) -> Timed:
    """A time less its page faults and what calling it by name took; never less than nothing."""
    cost = timed.faults * page_fault + call
    middle, low, high = (max(0.0, seconds - cost) for seconds in (timed.seconds, timed.low, timed.high))
    return Timed(middle, low, high, timed.faults)


def overhead_name(call: OpRecord) -> str | None:
    """What the framework adds to an operator when it is called from a layer, from autograd or from an optimizer.

    None for one that another operator calls.
    """
    return None if call.is_inner else f"{phase_of(call)}_{'view' if call.is_view else 'operator'}"


def _add_faults(result: Replayed, recording: Recording, faults: Faults) -> None:
    """First touches where memory is made; its way back to the system where it is given back, at the end in the update."""
    operators: Sequence[OpRecord] = recording.operators
    for seconds in (faults.seconds, faults.freed):
        for position, spent in seconds.items():
            call = operators[min(position, len(operators) - 1)]
            result.at(call.path, phase_of(call)).faults += spent


def _add_framework(result: Replayed, recording: Recording, overheads: Mapping[str, float]) -> None:
    """Calls of layers, nodes of the backward pass, parameters of the update, and what a step costs once."""
    for path, calls in recording.python_calls.items():
        result.at(path, "forward").overhead += calls * overheads.get("python_call", 0.0)
    for path, calls in recording.modules.items():
        result.at(path, "forward").overhead += calls * overheads.get("module", 0.0)
    for path, nodes in recording.nodes.items():
        result.at(path, "backward").overhead += nodes * overheads.get("node", 0.0)
    for name in recording.trained:
        path = name.rpartition(".")[0]
        result.at(path, "backward").overhead += overheads.get("gradient", 0.0)
        if recording.has_update:
            result.at(path, "update").overhead += overheads.get("parameter", 0.0)
    result.at("", "forward").overhead += overheads.get("forward_call", 0.0)
    if recording.nodes:
        result.at("", "backward").overhead += overheads.get("backward_call", 0.0)
    if recording.has_update:
        result.at("", "update").overhead += overheads.get("update_call", 0.0)
