"""Seconds measured here and now: the fastest product of matrices, and real steps of a small network."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec

from nncost.ir.graph import Graph
from nncost.pipeline.count import Counted, count_source
from nncost.pipeline.settings import Settings
from nncost.records import record, replace

ENGINE = "torch"
PRODUCT_SIZE = 512
"""Rows and columns of the product: large enough for full speed, and done in milliseconds."""
PRODUCT_CALLS = 20
STEP_SECONDS = 0.25
"""Steps are repeated for this time, but at most ``MOST_STEPS`` times."""
MOST_STEPS = 400
_FEWEST_STEPS, _FEWEST_LONG_STEPS = 5, 2
_WARM_STEPS = 3
_LONG_STEP = 0.3
"""Steps of more seconds are warm after two, and alike in two more."""
RUNS = _FEWEST_STEPS + _WARM_STEPS
MOST_FLOPS = 10**10
"""A step of more operations is not measured: it could take longer than a reader waits."""
MOST_BYTES = 10**9
"""A step that needs more memory is not measured."""


@record
class Measured:
    """The seconds of an undisturbed step and the library that ran it."""

    seconds: float
    engine: str


def peak_flops_per_second() -> float:
    """Return the rate of the fastest of some float32 matrix products, with two flops per multiplication."""
    import numpy as np

    left = np.full((PRODUCT_SIZE, PRODUCT_SIZE), 0.5, dtype="float32")
    best = min(_seconds(lambda: left @ left) for _ in range(PRODUCT_CALLS))
    return 2 * PRODUCT_SIZE**3 / best


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def is_small(flops: int, peak_bytes: int) -> bool:
    """Whether a step can be run some times while a reader waits."""
    return flops <= MOST_FLOPS and peak_bytes <= MOST_BYTES


def measured_step(source: str | Graph, settings: Settings, batch: int) -> Measured:
    """Run real steps of a spec or a graph: with PyTorch if it is installed, otherwise its own graph with NumPy."""
    chosen = replace(settings, load=replace(settings.load, batch=batch), examples=None, epochs=1)
    counted = count_source(source, chosen)
    if find_spec(ENGINE) is None:
        return Measured(_undisturbed(numpy_step(counted)), "NumPy")
    from nncost.frontends.torch.step.state.random_states import random_state_kept
    from nncost.timing.measure.step import Stepper
    from nncost.timing.runnable import subject_of

    with (
        random_state_kept(seed=0),
        subject_of(source, chosen, loss=counted.loss, optimizer=counted.optimizer, real=True) as subject,
    ):
        return Measured(_undisturbed(Stepper(subject, copied=False).step), "PyTorch")


def _undisturbed(step: Callable[[], object]) -> float:
    """The first quartile: what else the machine does makes steps longer, never shorter."""
    for done in range(_WARM_STEPS):
        last = _seconds(step)
        if done and last > _LONG_STEP:
            break
    fewest = _FEWEST_STEPS if last <= _LONG_STEP else _FEWEST_LONG_STEPS
    seconds: list[float] = []
    while len(seconds) < fewest or (sum(seconds) < STEP_SECONDS and len(seconds) < MOST_STEPS):
        seconds.append(_seconds(step))
    return sorted(seconds)[len(seconds) // 4]


def numpy_step(counted: Counted) -> Callable[[], object]:
    """One step of the counted graph as NumPy calls, always on the same small numbers."""
    import numpy as np

    from nncost.ir.execute import prepare
    from nncost.ir.training.optimizers import LEARNING_RATE, step_constants

    graph, random = counted.step.graph, np.random.default_rng(0)
    program = prepare(graph, random.random, update_buffers=True)
    tensors = [*graph.inputs, *(parameter.tensor for parameter in graph.parameters)]
    feeds = {
        tensor: (
            random.random(tensor.shape, dtype="float32") if "float" in tensor.dtype else np.zeros(tensor.shape, int)
        )
        for tensor in tensors
    }
    constants = step_constants(LEARNING_RATE, 1)
    return lambda: program.run(feeds, constants)
