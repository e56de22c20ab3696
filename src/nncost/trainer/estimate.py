"""Seconds and memory of a step before the first one, for the engine that will run it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from nncost.dims import is_symbolic
from nncost.errors import NncostError
from nncost.ir.training.optimizers import step_constants
from nncost.records import record
from nncost.trainer.engine import Engine
from nncost.trainer.network import Network
from nncost.trainer.numpy_engine import NumpyEngine
from nncost.trainer.tables.table import Array

if TYPE_CHECKING:
    from nncost.counting.memory.memory import Memory
    from nncost.report import Report
    from nncost.trainer.torch_engine import TorchEngine

APART = "each distinct operation of the step, timed apart"
CALIBRATED = "the calibration of this machine"
TRIED = "a few steps that were tried and taken back; with nncost calibrate, by the calibration"
WARM_UP, TRIALS = 3, 10
BUDGET_SECONDS = 1.0


@record
class Estimate:
    """Seconds and bytes of a step before the training: ``by`` says how the seconds were found.

    ``bytes`` is the predicted peak (None if nothing could be said), ``measured_bytes`` the peak that was measured in a
    step that was tried and taken back.
    """

    seconds: float
    by: str
    bytes: int | None
    measured_bytes: int


def estimate_step(network: Network, engine: Engine, report: Report, x: Array, target: Array) -> Estimate:
    """Estimate a step of the engine on a batch; parameters and states are restored afterwards."""
    if isinstance(engine, NumpyEngine):
        return _of_numpy(engine, x, target)
    return _of_torch(network, cast("TorchEngine", engine), report, x, target)


def _of_numpy(engine: NumpyEngine, x: Array, target: Array) -> Estimate:
    from nncost.trainer.memory import measured_peak, planned_peak, total_bytes
    from nncost.trainer.numpy_timing import distinct_calls

    prepared = engine.prepare_for(len(x))
    program = prepared.program
    constants = step_constants(engine.settings.learning_rate, 1)
    with engine.untouched():
        feeds = engine.feeds(prepared, x, target)
        given = total_bytes(feeds.values())
        measured = measured_peak(lambda: program.run(feeds, constants), given)
        calls = distinct_calls(program, feeds, constants)
        planned = planned_peak(program, given, calls.workspaces())
        seconds = calls.seconds(planned)
    return Estimate(seconds, APART, planned, measured)


def _of_torch(network: Network, engine: TorchEngine, report: Report, x: Array, target: Array) -> Estimate:
    """Seconds by the calibration of this machine, or by steps that are tried; memory as the report has it."""
    from nncost.timing.measure.memory import allocated_peak

    values, state = engine.values(), engine.state()
    memory = _memory(engine, report)
    assert isinstance(memory.resident, int)
    seconds, by = _calibrated(network, len(x)), CALIBRATED

    def step() -> float:
        return engine.step(x, target, 1)

    try:
        step()  # The first one makes states that later ones find.
        measured = memory.resident + allocated_peak(step)
        if seconds is None:
            seconds, by = _tried(step), TRIED
    finally:
        engine.restore(values, state)
    peak = memory.step_peak
    return Estimate(seconds, by, None if peak is None or is_symbolic(peak) else int(peak), measured)


def _memory(engine: TorchEngine, report: Report) -> Memory:
    """The memory of the module's own step, or of the graph's if the module cannot be traced."""
    try:
        return engine.report().memory
    except NncostError:
        return report.memory


def _tried(step: Callable[[], Any]) -> float:
    """The median of a few steps after the first, slow ones."""
    deadline = time.perf_counter() + BUDGET_SECONDS
    times = [_timed(step) for _ in range(WARM_UP)]
    while len(times) < WARM_UP + TRIALS and (len(times) == WARM_UP or time.perf_counter() < deadline):
        times.append(_timed(step))
    return statistics.median(times[WARM_UP:])


def _timed(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _calibrated(network: Network, batch: int) -> float | None:
    """Seconds that nncost predict gives for this machine; None if it is not calibrated."""
    from nncost.timing.predict_this_machine import predict_here

    try:
        return predict_here(network.source, network.sized(batch)).seconds["step"].value
    except NncostError:
        return None
