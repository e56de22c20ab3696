"""Real steps one after the other, with pieces of reference work between them that tell how fast the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable

from nncost.records import record
from nncost.timing import Progress
from nncost.timing.measure.noise import Noise, noise_of
from nncost.timing.measure.reference import Reference
from nncost.timing.measure.step import StepSeconds

STEPS_BETWEEN = 10
"""Steps between two pieces of reference work."""
SHORT_SECONDS = 0.1
"""The step right behind reference work finds the caches full of something else: so short a one is not counted."""
_SILENT: Progress = lambda what, done, of: None  # noqa: E731


@record
class Limits:
    """How many steps run: ``warm_up`` that are not counted, then as long as ``seconds`` last, but ``fewest`` to ``most``.

    All of it ends after ``budget`` seconds with the steps there are then.
    """

    warm_up: int
    fewest: int
    most: int
    seconds: float
    budget: float = float("inf")


@record
class Series:
    """Steps that ran, the seconds of the reference work between them, and the seconds all of it took."""

    steps: tuple[StepSeconds, ...]
    references: tuple[float, ...]
    elapsed: float

    @property
    def noise(self) -> Noise:
        """How far the steps and the reference work varied."""
        return noise_of(self.steps, self.references)


def run_series(step: Callable[[], StepSeconds], limits: Limits, tell: Progress = _SILENT) -> Series:
    """Run steps within the limits."""
    begun, reference = time.perf_counter(), Reference()
    steps: list[StepSeconds] = []
    references = [reference.seconds()]
    each = _warm(step, limits, begun, tell)
    count = max(limits.fewest, min(limits.most, int(limits.seconds / max(each, 1e-9))))
    while len(steps) < count and time.perf_counter() - begun + each <= limits.budget:
        if len(steps) % STEPS_BETWEEN == 0 and each < SHORT_SECONDS:
            references.append(reference.seconds())
            step()
        steps.append(step())
        tell("running steps", len(steps), count)
    references.append(reference.seconds())
    return Series(tuple(steps), tuple(references), time.perf_counter() - begun)


def _warm(step: Callable[[], StepSeconds], limits: Limits, begun: float, tell: Progress) -> float:
    """Steps that are not counted; the real seconds of the last one."""
    each = 0.0
    for done in range(limits.warm_up):
        tell("warming up", done, limits.warm_up)
        start = time.perf_counter()
        step()
        each = time.perf_counter() - start
        if start + 2 * each - begun > limits.budget:
            break
    return each
