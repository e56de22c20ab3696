"""What PyTorch itself costs: a call of a layer, an autograd node, a parameter's update, by least squares.

Small networks run for real; what their operators alone explain is taken off, and what is left is
shared out among the things that are counted in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from nncost.frontends.model import Inputs, LoadOptions, Training
from nncost.frontends.torch.allocation.recorder import Recording, record_step
from nncost.frontends.torch.step.state.random_states import random_state_kept
from nncost.records import record
from nncost.timing.calibration.networks import NETWORKS, OPTIMIZERS, Make
from nncost.timing.measure.step import Stepper, StepSeconds, lower_quartile_of
from nncost.timing.prediction import TIMED_PHASES
from nncost.timing.replay.cache_distance import jobs_of
from nncost.timing.replay.step import phase_of, timed_jobs
from nncost.timing.replay.timing_cache import TimingCache
from nncost.timing.runnable import Subject

UNKNOWNS: Mapping[str, Sequence[str]] = {
    "forward": ("python_call", "module", "forward_view", "forward_operator"),
    "backward": ("node", "backward_operator", "gradient", "backward_call"),
    "update": ("parameter", "update_operator", "update_call"),
}
"""What is found, by the phase it is found from."""
PYTHON_CALL = 4e-6
"""A call of an operator by its name from Python takes up to this much longer than PyTorch's own (measured, 2026-11)."""
STEPS = 60
"""Real steps of each network: they are short."""


@record
class Observation:
    """One network's step: its real seconds, those of its operators by themselves, and how often each unknown is in it."""

    measured: StepSeconds
    operators: Mapping[str, float]
    amounts: Mapping[str, int]


def observe(make: Make, optimizer: str, cache: TimingCache) -> Observation:
    """Run a network, and its operators by themselves."""
    with random_state_kept(seed=0):
        module, inputs = make()
        given = Inputs(inputs)
        options = LoadOptions(training=True, steps=Training("squared_error", optimizer))
        subject = Subject(module, given, options, lambda output: output.square().mean(), optimizer, {})
        recording = record_step(module, given, options)
        stepper = Stepper(subject)
        measured = lower_quartile_of([stepper.step() for _ in range(STEPS)])
        return Observation(measured, _operators(recording, cache), amounts_of(recording))


def _operators(recording: Recording, cache: TimingCache) -> dict[str, float]:
    jobs = [job for job in jobs_of(recording.operators, recording.memory) if not job.call.is_view]
    times = timed_jobs(jobs, cache, 0.0)
    sums = dict.fromkeys(TIMED_PHASES, 0.0)
    for job in jobs:
        if job.key in times:
            sums[phase_of(job.call)] += times[job.key].seconds
    return sums


def amounts_of(recording: Recording) -> dict[str, int]:
    """How often a step does each thing that has an overhead."""
    amounts = {
        "python_call": sum(recording.python_calls.values()), "module": sum(recording.modules.values()), "node": sum(recording.nodes.values()),
        "gradient": len(recording.trained), "backward_call": 1,
        "parameter": len(recording.trained), "update_call": 1,
    }  # fmt: skip
    for call in recording.operators:
        name = f"{phase_of(call)}_{'view' if call.is_view else 'operator'}"
        amounts[name] = amounts.get(name, 0) + 1
    return amounts


def observations(cache: TimingCache) -> Iterator[tuple[str, Callable[[], Observation]]]:
    """Every network with every optimizer, to be run one by one."""
    for name, make in NETWORKS.items():
        for optimizer in OPTIMIZERS:
            yield f"{name}, {optimizer}", partial(observe, make, optimizer, cache)


def solve(seen: Sequence[Observation]) -> dict[str, float]:
    """Seconds of each unknown, by least squares of relative errors.

    None is less than nothing but an operator's: PyTorch's own call may cost less than the one that was timed.
    """
    found: dict[str, float] = {}
    for phase, names in UNKNOWNS.items():
        weights = np.array([1.0 / max(getattr(o.measured, phase), 1e-9) for o in seen])
        amounts = np.array([[o.amounts.get(name, 0) for name in names] for o in seen], dtype=float)
        left = np.array([getattr(o.measured, phase) - o.operators[phase] for o in seen])
        seconds = _least_squares(amounts * weights[:, None], left * weights, names)
        found |= dict(zip(names, map(float, seconds), strict=True))
    return found


def _least_squares(matrix: np.ndarray, target: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Least squares with a least value for each unknown; those that come out below it are held at it, one by one."""
    least = np.array([-PYTHON_CALL if name.endswith("operator") else 0.0 for name in names])
    solution, free = least.copy(), list(range(len(names)))
    while free:
        held = [i for i in range(len(names)) if i not in free]
        rest = target - matrix[:, held] @ least[held]
        solution[free] = np.linalg.lstsq(matrix[:, free], rest, rcond=None)[0]
        below = [i for i in free if solution[i] < least[i]]
        if not below:
            break
        worst = min(below, key=lambda i: solution[i] - least[i])
        solution[worst] = least[worst]
        free.remove(worst)
    return solution
