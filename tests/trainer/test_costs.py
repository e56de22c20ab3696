"""What a training is said to cost: operations counted by themselves, memory by liveness, time as a sum."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import nncost
from nncost.counting.ledger import count_graph
from nncost.counting.quantities import PRIMITIVE
from nncost.ir.execute import prepare
from nncost.ir.training.optimizers import step_constants
from nncost.pipeline.settings import Settings
from nncost.trainer.loop import Loop
from nncost.trainer.memory import planned_peak
from nncost.trainer.numpy_timing import distinct_calls
from nncost.trainer.outcome import ratios
from nncost.trainer.progress import PRIOR_STEPS, seconds_left
from nncost.trainer.selfcount import executed_operations
from tests.trainer.tables import DIGITS, blobs, quick
from tests.trainer.test_programs import SPECS, counted, feeds_of


@pytest.mark.parametrize("spec", SPECS)
def test_a_step_executes_what_is_counted(spec: str) -> None:
    graph = counted(spec, batch=2).step.graph
    said: Counter[str] = Counter()
    for row in count_graph(graph).rows:
        if row.quantity in PRIMITIVE and row.quantity != "int_ops":
            said[row.quantity] += int(row.amount)
    executed = executed_operations(graph, feeds_of(counted(spec, batch=2), "float64") | _feeds(graph))
    assert +said == +executed


def _feeds(graph: object) -> dict[object, np.ndarray]:
    """Feeds for this very graph: tensors of another one of the same spec are others."""
    rng = np.random.default_rng(0)
    tensors = [*graph.inputs, *(p.tensor for p in graph.parameters)]  # type: ignore[attr-defined]
    return {
        t: rng.integers(0, 2, t.shape) if t.dtype == "int64" else rng.uniform(0.1, 0.9, t.shape).astype("float32")
        for t in tensors
    }


@pytest.mark.parametrize(
    "spec",
    [
        "64-64:relu-10:softmax",
        "1x8x8, conv 8 3x3, batchnorm, relu, maxpool 2, flatten, dense 10",
        "8x8, lstm 16 last, dense 10",
    ],
)
def test_memory_of_the_counted_graph(spec: str) -> None:
    """Python's own objects (a hundred bytes an array) are seen and not predicted."""
    training = nncost.train(spec, DIGITS, target="digit", epochs=1, batch=64, engine="numpy")
    assert 0.83 < training.to_dict()["ratio"]["memory"]["step_peak"] < 1.06


def test_the_peak_of_a_program_by_hand() -> None:
    """3-2 without activation, batch 4: at most y and y + b, or gradients and their kin, live beside what is given."""
    found = counted("3-2:none", batch=4, optimizer="sgd")
    program = prepare(found.step.graph, np.random.default_rng(0).random)
    peak = planned_peak(program, 1000, [0] * len(program.instructions))
    assert peak == planned_peak(program, 0, [0] * len(program.instructions)) + 1000
    assert planned_peak(program, 0, [10**6] * len(program.instructions)) > 10**6
    y, weights, bias = 4 * 2 * 4, 2 * 3 * 4, 2 * 4
    kept = y + 4 + weights + bias + weights + bias  # Outputs of the graph: y, loss, two gradients, two new parameters.
    assert kept <= peak - 1000 <= kept + 2 * y + weights


def test_every_call_of_a_program_is_in_the_estimate() -> None:
    found = counted("6-5:relu-4:softmax")
    program = prepare(found.step.graph, np.random.default_rng(0).random)
    calls = distinct_calls(program, feeds_of(found, "float32") | _feeds(found.step.graph), step_constants(0.1, 1))
    assert len(calls.order) == len(program.instructions) > len(calls.calls) > 10
    assert set(calls.order) == set(calls.calls)
    assert calls.seconds(10_000) > 0
    assert len(calls.workspaces()) == len(program.instructions)


def test_the_time_left_begins_with_the_prediction() -> None:
    assert seconds_left(0.5, 0.0, 0, 100) == 50
    assert seconds_left(0.5, PRIOR_STEPS * 1.5, PRIOR_STEPS, 100) == 100
    assert seconds_left(None, 3.0, 3, 10) == 10
    assert seconds_left(1.0, 1e6 * 2, 10**6, 1) == pytest.approx(2, rel=1e-4)


def test_ratios_are_predicted_by_measured() -> None:
    predicted = {"seconds": {"step": 2.0, "run": 10.0}, "operations": {"step": 4}}
    measured = {"seconds": {"step": 3.0, "steps_taken": 3.0}, "operations": {"step": 5}, "memory": {"step_peak": 1}}
    assert ratios(predicted, measured) == {"seconds": {"step": 2.0 / 3.0}, "operations": {"step": 0.8}}


def test_the_run_is_compared_only_where_all_of_it_was_taken(tmp_path: Path) -> None:
    path = blobs(tmp_path / "t.csv")
    stopped = quick(path, epochs=200, patience=1, learning_rate=0.3)
    assert stopped.stopped_early
    assert "run" not in stopped.to_dict()["ratio"]["seconds"]
    assert "run" in quick(path).to_dict()["ratio"]["seconds"]


def test_estimating_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first loss is that of the initial parameters, and running averages begin where they should."""
    path, spec = blobs(tmp_path / "t.csv"), "3, dense 8, batchnorm, relu, dense 3, softmax"
    for engine in ("numpy", "torch"):
        if engine == "torch":
            pytest.importorskip("torch")
        begun: list[dict[str, np.ndarray]] = []
        monkeypatch.setattr(Loop, "run", lambda self, begun=begun: begun.append(self.engine.values()))
        monkeypatch.chdir(tmp_path)
        with pytest.raises(KeyboardInterrupt):  # A run that is not finished counts as interrupted.
            quick(path, spec, engine=engine)
        values = begun[0]
        assert (values["batchnorm.1.running_mean"] == 0).all()
        assert (values["batchnorm.1.running_var"] == 1).all()
        assert (values["dense.1.bias"] == 0).all()


def test_parameters_that_became_no_number_are_noticed_before_they_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nncost.trainer.numpy_engine import NumpyEngine

    path = blobs(tmp_path / "t.csv")
    quick(path, epochs=1, save=tmp_path / "out")
    real = NumpyEngine.step

    def breaking(self: NumpyEngine, x: np.ndarray, target: np.ndarray, number: int) -> float:
        loss = real(self, x, target, number)
        if number == 18:
            self.parameters = [values * np.nan for values in self.parameters]
        return loss

    monkeypatch.setattr(NumpyEngine, "step", breaking)
    with pytest.raises(nncost.NncostError, match="became nan in epoch 2, step 9 of 9"):
        nncost.train("3-8:relu-3:softmax", path, resume=tmp_path / "out", epochs=2)
    monkeypatch.undo()
    assert len(nncost.train("3-8:relu-3:softmax", path, resume=tmp_path / "out", epochs=2).history) == 2


def test_a_calibrated_machine_predicts_by_its_calibration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from types import SimpleNamespace

    from nncost.timing import predict_this_machine
    from nncost.timing.prediction import Seconds

    path = blobs(tmp_path / "t.csv")
    uncalibrated = quick(path, engine="torch")
    assert "tried and taken back" in uncalibrated.predicted_by
    asked: list[tuple[object, object, object]] = []

    def predict_here(source: object, settings: Settings) -> object:
        asked.append((source, settings.loss, settings.load.batch))
        return SimpleNamespace(seconds={"step": Seconds(1.0, 2.0, 3.0)})

    monkeypatch.setattr(predict_this_machine, "predict_here", predict_here)
    calibrated = quick(path, engine="torch")
    assert asked == [("3-8:relu-3:softmax", "cross_entropy", 8)]
    assert calibrated.predicted["seconds"] == {"step": 2.0, "run": 2.0 * 18}
    assert "calibration of this machine" in calibrated.predicted_by
    assert [epoch.loss for epoch in calibrated.history] == [epoch.loss for epoch in uncalibrated.history]
