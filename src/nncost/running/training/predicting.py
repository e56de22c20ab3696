"""Seconds and memory of a step before the first one, for the engine that will run it."""

from __future__ import annotations

from typing import Any

from nncost.running.training.engine import Engine
from nncost.running.training.network import Network
from nncost.running.training.numpy_engine import NumpyEngine
from nncost.running.training.tables.table import Array
from nncost.training.optimizers import step_constants


def predicted_seconds(network: Network, engine: Engine, x: Array, target: Array) -> tuple[float | None, str]:
    """Seconds of a step and where they come from."""
    if isinstance(engine, NumpyEngine):
        from nncost.running.training.forecast import step_seconds
        from nncost.running.training.memory import planned_peak, total_bytes

        prepared = engine.prepare(len(x))
        constants = step_constants(engine.settings.learning_rate, 1)
        with engine.untouched():
            feeds = engine.feeds(prepared, x, target)
            touched = planned_peak(prepared.plan, total_bytes(feeds.values()))
            seconds = step_seconds(prepared.plan, feeds, constants, touched)
        return seconds, "each distinct operation of the step, timed apart"
    return None, ""


def predicted_memory(report: Any, engine: Engine, x: Array, target: Array) -> tuple[dict[str, float], dict[str, Any]]:
    """Bytes at the peak of a step, and what a step took that was run to see."""
    if isinstance(engine, NumpyEngine):
        from nncost.running.training.memory import measured_peak, planned_peak, total_bytes

        prepared = engine.prepare(len(x))
        constants = step_constants(engine.settings.learning_rate, 1)
        with engine.untouched():
            feeds = engine.feeds(prepared, x, target)
            given = total_bytes(feeds.values())
            seen = measured_peak(lambda: prepared.plan.run(feeds, constants), given)
        return {"step_peak": planned_peak(prepared.plan, given)}, {"memory": {"step_peak": seen}}
    return {}, {}
