"""The cost of a training: predicted before it begins, measured when it has ended."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from nncost.counting.conventions import convention_named
from nncost.pipeline.report_on import report_on
from nncost.records import record, replace
from nncost.timing.prediction import Amounts
from nncost.trainer.engine import Engine
from nncost.trainer.examples import Examples
from nncost.trainer.loop import batches_of
from nncost.trainer.network import Network
from nncost.trainer.numpy_engine import NumpyEngine
from nncost.trainer.selfcount import MAX_COUNTED, executed_operations
from nncost.trainer.settings import TrainingSettings
from nncost.trainer.tables.table import Array


@record
class Costs:
    """``trainable`` are the parameters in training. ``planned_steps`` are those of all epochs; ``executed`` are the operations and bytes measured while a step ran."""

    parameters: int
    trainable: int
    planned_steps: int
    predicted: Amounts
    predicted_by: str
    executed: Mapping[str, Mapping[str, float]]
    notes: Sequence[str] = ()

    @property
    def predicted_step(self) -> float | None:
        """Seconds of one step; None if they could not be predicted."""
        return self.predicted["seconds"].get("step")

    def measured(self, durations: Sequence[float]) -> Amounts:
        """Seconds of the steps taken, and of the whole run if every planned step was taken here."""
        if not durations:
            return self.executed
        seconds = {"step": statistics.median(durations), "steps_taken": sum(durations)}
        if len(durations) == self.planned_steps:
            seconds["run"] = sum(durations)
        return {**self.executed, "seconds": seconds}


def costs_of(
    network: Network, engine: Engine, examples: Examples, settings: TrainingSettings, loss: str, dtype: str
) -> Costs:
    """Predict operations by the count, seconds and memory by an estimate for the engine."""
    from nncost.trainer.estimate import estimate_step

    rows = examples.split.train
    report = report_on(
        network.source, replace(network.sized(settings.batch), examples=len(rows), epochs=settings.epochs)
    )
    batch = rows[: settings.batch]
    estimate = estimate_step(
        network, engine, report, examples.x[batch], examples.targets(batch, loss, network.units, dtype)
    )
    steps = batches_of(len(rows), settings.batch) * settings.epochs
    assert report.run is not None
    predicted: dict[str, dict[str, float]] = {
        "operations": {"step": int(report.step.flops), "run": int(report.run.totals["step"].flops)},
        "seconds": {"step": estimate.seconds, "run": estimate.seconds * steps},
    }
    if estimate.bytes is not None:
        predicted["memory"] = {"step_peak": estimate.bytes}
    measured: dict[str, dict[str, float]] = {"memory": {"step_peak": estimate.measured_bytes}}
    notes: list[str] = []
    if isinstance(engine, NumpyEngine):
        _add_executed(network, engine, examples, batch, loss, dtype, predicted, measured, notes)
    total, trainable = int(report.parameters.total), int(report.parameters.trainable)
    return Costs(total, trainable, steps, predicted, estimate.by, measured, notes)


def _add_executed(
    network: Network, engine: NumpyEngine, examples: Examples, batch: Array, loss: str, dtype: str,
    predicted: dict[str, dict[str, float]], measured: dict[str, dict[str, float]], notes: list[str],
) -> None:  # fmt: skip
    """Count a step while it runs: of a batch, or of one example if a batch has too many operations."""
    for name, rows in (("step", batch), ("step_of_one_example", batch[:1])):
        if name not in predicted["operations"]:
            predicted["operations"][name] = int(report_on(network.source, network.sized(1)).step.flops)
        if predicted["operations"][name] <= MAX_COUNTED:
            prepared = engine.prepare_for(len(rows))
            target = examples.targets(rows, loss, network.units, dtype)
            tally = executed_operations(prepared.graph, engine.feeds(prepared, examples.x[rows], target))
            weights = convention_named(network.settings.convention).weights
            counted = sum(weights.get(quantity, 0) * amount for quantity, amount in tally.items())  # type: ignore[call-overload]
            measured["operations"] = {name: counted}
            return
    del predicted["operations"]["step_of_one_example"]
    notes.append(f"a step of one example has more than {MAX_COUNTED:,} operations: they were not counted one by one.")
