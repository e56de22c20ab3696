"""What a training is said to cost before it begins, and what it did cost."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nncost.pipeline import report_on
from nncost.running.training.engine import Engine
from nncost.running.training.examples import Examples
from nncost.running.training.network import Network
from nncost.running.training.outcome import Amounts
from nncost.running.training.settings import TrainingSettings


@dataclass(frozen=True, slots=True)
class Costs:
    """``planned_steps`` are those of all epochs; ``executed`` what was counted while a step ran."""

    parameters: int
    planned_steps: int
    predicted: Amounts
    predicted_by: str
    executed: Mapping[str, Mapping[str, float]]
    notes: Sequence[str] = ()

    @property
    def predicted_step(self) -> float | None:
        """Seconds of one step; None where nothing could be said."""
        return self.predicted["seconds"].get("step")

    def measured(self, durations: Sequence[float]) -> Amounts:
        """Seconds of the steps taken; the whole run only where every planned step was taken here."""
        if not durations:
            return self.executed
        seconds = {"step": statistics.median(durations), "steps_taken": sum(durations)}
        if len(durations) == self.planned_steps:
            seconds["run"] = sum(durations)
        return {**self.executed, "seconds": seconds}


def costs_of(
    network: Network, engine: Engine, examples: Examples, settings: TrainingSettings, loss: str, dtype: str
) -> Costs:
    """Operations from the count, seconds and memory from the engine's own prediction."""
    from nncost.running.training.predicting import predicted_memory, predicted_seconds

    rows = len(examples.split.train)
    counted = replace(
        network.settings, examples=rows, epochs=settings.epochs,
        load=replace(network.settings.load, batch=settings.batch),
    )  # fmt: skip
    report = report_on(network.source, counted)
    steps = -(-rows // settings.batch) * settings.epochs
    x = examples.x[examples.split.train[: settings.batch]]
    target = examples.targets(examples.split.train[: settings.batch], loss, network.units, dtype)
    step, by = predicted_seconds(network, engine, x, target)
    memory, seen = predicted_memory(report, engine, x, target)
    assert report.run is not None
    predicted: dict[str, dict[str, float]] = {
        "operations": {"step": int(report.step.flops), "run": int(report.run.totals["step"].flops)},
        "seconds": {} if step is None else {"step": step, "run": step * steps},
        "memory": memory,
    }
    return Costs(int(report.parameters.total), steps, predicted, by, seen)
