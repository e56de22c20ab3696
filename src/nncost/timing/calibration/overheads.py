"""What PyTorch itself costs: a call of a layer, an autograd node, a parameter's update, by regression.

Small networks run for real; what their operators alone explain is taken off, and what is left is
shared out among the things that are counted in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations

import numpy as np

from nncost.frontends.model import Inputs, LoadOptions, Training
from nncost.frontends.torch.allocation.recorder import Recording, record_step
from nncost.frontends.torch.step.state.random_states import random_state_kept
from nncost.records import field, record
from nncost.timing.calibration.networks import NETWORKS, OPTIMIZERS, Make
from nncost.timing.measure.step import LOWER_QUARTILE, Stepper, StepSeconds, at_rank
from nncost.timing.prediction import TIMED_PHASES
from nncost.timing.replay.cache_distance import jobs_of
from nncost.timing.replay.page_faults import faults_of
from nncost.timing.replay.step import overhead_name, phase_of, timed_jobs
from nncost.timing.replay.timing_cache import TimingCache
from nncost.timing.runnable import Subject

UNKNOWNS: Mapping[str, Sequence[str]] = {
    "forward": ("python_call", "module", "forward_view", "forward_operator", "forward_call"),
    "backward": ("node", "backward_operator", "gradient", "backward_call"),
    "update": ("parameter", "update_operator", "update_call"),
}
"""What is found, by the phase it is found from."""
STEPS = 60
"""Real steps of each network, before and after its operators: they are short."""
_ROUNDS, _SMALL_MISS = 8, 0.01
"""Rounds of least squares, and a relative miss that is as good as none."""


@record
class Observation:
    """One network's step: its real seconds, what is known of them, and how often each unknown is in it.

    Known are, by phase, the seconds of its operators alone and of first touches of memory.
    """

    measured: StepSeconds
    operators: Mapping[str, float]
    amounts: Mapping[str, int]
    faults: Mapping[str, float] = field(default_factory=dict)

    def known(self, phase: str) -> float:
        """The seconds of a phase that are no overhead."""
        return self.operators.get(phase, 0.0) + self.faults.get(phase, 0.0)


def observe(make: Make, optimizer: str, cache: TimingCache) -> Observation:
    """Run a network, and its operators by themselves."""
    with random_state_kept(seed=0):
        module, inputs = make()
        given = Inputs(inputs)
        options = LoadOptions(training=True, steps=Training("squared_error", optimizer))
        subject = Subject(module, given, options, lambda output: output.square().mean(), optimizer, {})
        recording = record_step(module, given, options)
        stepper = Stepper(subject)
        before = at_rank([stepper.step() for _ in range(STEPS)], LOWER_QUARTILE)
        operators, faults = _operators(recording, cache), _faults(recording)
        after = at_rank([stepper.step() for _ in range(STEPS)], LOWER_QUARTILE)
        measured = min(before, after, key=lambda each: each.step)
        return Observation(measured, operators, amounts_of(recording), faults)


def _faults(recording: Recording) -> dict[str, float]:
    """Seconds of first touches by phase."""
    faults, sums = faults_of(recording.memory), dict.fromkeys(TIMED_PHASES, 0.0)
    for seconds in (faults.seconds, faults.freed) if faults is not None else ():
        for position, spent in seconds.items():
            sums[phase_of(recording.operators[min(position, len(recording.operators) - 1)])] += spent
    return sums


def _operators(recording: Recording, cache: TimingCache) -> dict[str, float]:
    jobs = [job for job in jobs_of(recording.operators, recording.memory) if not job.call.is_view]
    times = timed_jobs(jobs, cache, 0.0)
    sums = dict.fromkeys(TIMED_PHASES, 0.0)
    for job in jobs:
        if job.key in times:
            sums[phase_of(job.call)] += times[job.key].low  # as a replay adds them up
    return sums


def amounts_of(recording: Recording) -> dict[str, int]:
    """How often a step does each thing that has an overhead."""
    amounts = {
        "python_call": sum(recording.python_calls.values()), "module": sum(recording.modules.values()), "node": sum(recording.nodes.values()),
        "gradient": len(recording.trained), "forward_call": 1, "backward_call": 1,
        "parameter": len(recording.trained), "update_call": 1,
    }  # fmt: skip
    for call in recording.operators:
        name = overhead_name(call)
        if name is not None:
            amounts[name] = amounts.get(name, 0) + 1
    return amounts


def observations(cache: TimingCache) -> Iterator[tuple[str, Callable[[], Observation]]]:
    """Every network with every optimizer, to be run one by one."""
    for name, make in NETWORKS.items():
        for optimizer in OPTIMIZERS:
            yield f"{name}, {optimizer}", partial(observe, make, optimizer, cache)


def quietest(rounds: Sequence[Observation]) -> Observation:
    """One observation of several of a network, each part of it from the round in which it took least."""
    measured = StepSeconds(*(min(getattr(each.measured, phase) for each in rounds) for phase in TIMED_PHASES))
    operators, faults = (
        {phase: min(getattr(each, kind).get(phase, 0.0) for each in rounds) for phase in TIMED_PHASES}
        for kind in ("operators", "faults")
    )
    return Observation(measured, operators, rounds[0].amounts, faults)


def solve(seen: Sequence[Observation]) -> dict[str, float]:
    """Seconds of each unknown: those that make the sum of the networks' relative errors least. None is less than nothing."""
    found: dict[str, float] = {}
    for phase, names in UNKNOWNS.items():
        weights = np.array([1.0 / max(getattr(o.measured, phase), 1e-9) for o in seen])
        amounts = np.array([[o.amounts.get(name, 0) for name in names] for o in seen], dtype=float)
        left = np.array([getattr(o.measured, phase) - o.known(phase) for o in seen])
        seconds = _least_deviations(amounts * weights[:, None], left * weights)
        found |= dict(zip(names, map(float, seconds), strict=True))
    return found


def step_seconds(observation: Observation, overheads: Mapping[str, float]) -> float:
    """The seconds of a network's step by what was found."""
    known = sum(observation.known(phase) for phase in TIMED_PHASES)
    names = (name for names in UNKNOWNS.values() for name in names)
    return known + sum(observation.amounts.get(name, 0) * overheads[name] for name in names)


def _least_deviations(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Non-negative least squares again and again, each row over its last miss: a network that was disturbed counts less."""
    weights = np.ones(len(target))
    for _ in range(_ROUNDS):
        found = _non_negative(matrix * weights[:, None], target * weights)
        weights = 1.0 / np.sqrt(np.maximum(np.abs(matrix @ found - target), _SMALL_MISS))
    return found


def _non_negative(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Non-negative least squares: of all sets of unknowns that are more than nothing, the one that misses least."""
    unknowns = matrix.shape[1]
    best, least = np.zeros(unknowns), float(np.linalg.norm(target))
    for size in range(1, unknowns + 1):
        for free in combinations(range(unknowns), size):
            some = np.linalg.lstsq(matrix[:, free], target, rcond=None)[0]
            missed = float(np.linalg.norm(matrix[:, free] @ some - target))
            if (some >= 0).all() and missed < least:
                best, least = np.zeros(unknowns), missed
                best[list(free)] = some
    return best
