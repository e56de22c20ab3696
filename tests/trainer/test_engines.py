"""Both engines run the same training: the same losses, parameters and states to rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nncost
from nncost.ir.training.optimizers import OPTIMIZERS
from nncost.pipeline.keywords import settings_of
from nncost.trainer.network import network_of
from nncost.trainer.numpy_engine import NumpyEngine
from nncost.trainer.settings import training_settings
from tests.trainer.tables import DIGITS, blobs

pytest.importorskip("torch")
SPECS = [
    ("8-6-3", "squared_error"),
    ("8-6:relu-3:softmax", "cross_entropy"),
    ("8-6:tanh-3:none", "cross_entropy"),
    ("8-6:gelu-1", "binary_cross_entropy"),
    ("8-6:gelu-1:none", "binary_cross_entropy_with_logits"),
    ("2x2x2, conv 4 2x2 pad=1, batchnorm, relu, maxpool 2, flatten, dense 3, softmax", "cross_entropy"),
    ("4x2, lstm 5, gru 4 last, dense 3", "cross_entropy"),
    ("8, dense 6, [batchnorm, dense 6, relu]*3, layernorm, dense 3", "cross_entropy"),
    ("8, dense 6 bias=no, [dense 6, silu]*2, dense 3, log_softmax", "cross_entropy"),
]
STEPS, BATCH = 6, 16
NEAR_ZERO = {"float32": 2e-4, "float64": 1e-9}


def both(spec: str, loss: str, optimizer: str, dtype: str) -> tuple[NumpyEngine, object]:
    from nncost.trainer.torch_engine import TorchEngine

    settings = training_settings(batch=BATCH, optimizer=optimizer, seed=3)
    network = network_of(spec, settings_of(dtype=dtype)).trained(loss, optimizer)
    return NumpyEngine(network, settings, dtype), TorchEngine(network, settings, loss, dtype)


def batches(spec: str, loss: str, dtype: str) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    shape, units = network_of(spec, settings_of()).inputs, network_of(spec, settings_of()).units
    result = []
    for number in range(STEPS):
        rows = BATCH if number else 5  # The size of a last batch, too.
        x = rng.normal(size=(rows, *shape)).astype(dtype)
        classes = rng.integers(0, max(2, units), rows)
        if loss == "cross_entropy":
            target = classes
        else:
            target = (classes[:, None] if units == 1 else np.eye(units)[classes]).astype(dtype)
        result.append((x, target))
    return result


@pytest.mark.parametrize(("spec", "loss"), SPECS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_specs(spec: str, loss: str, dtype: str) -> None:
    check(spec, loss, "adam", dtype)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers(optimizer: str) -> None:
    check("8-6:tanh-3:softmax", "cross_entropy", optimizer, "float64")


def check(spec: str, loss: str, optimizer: str, dtype: str) -> None:
    ours, theirs = both(spec, loss, optimizer, dtype)
    tolerance = NEAR_ZERO[dtype]
    begun = ours.values()
    for number, (x, target) in enumerate(batches(spec, loss, dtype), 1):
        one, other = ours.step(x, target, number), theirs.step(x, target, number)  # type: ignore[attr-defined]
        assert one == pytest.approx(other, rel=tolerance)
    if dtype == "float32":
        return  # Adam makes a step of the rounding of a gradient that is zero, as a bias before a batch norm has it.
    for mine, foreign in ((ours.values(), theirs.values()), (ours.state(), theirs.state())):  # type: ignore[attr-defined]
        assert mine.keys() == foreign.keys()
        for name, array in mine.items():
            np.testing.assert_allclose(array, foreign[name], rtol=10 * tolerance, atol=10 * tolerance, err_msg=name)
    assert any(not np.allclose(array, begun[name]) for name, array in ours.values().items())
    x = batches(spec, loss, dtype)[1][0]
    np.testing.assert_allclose(ours.outputs(x), theirs.outputs(x), rtol=10 * tolerance, atol=10 * tolerance)  # type: ignore[attr-defined]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_engine_goes_on_where_the_other_stopped(optimizer: str) -> None:
    spec, loss = "8, dense 6, [batchnorm, dense 6, relu]*2, dense 3", "cross_entropy"
    ours, theirs = both(spec, loss, optimizer, "float64")
    steps = batches(spec, loss, "float64")
    for number, (x, target) in enumerate(steps[:3], 1):
        ours.step(x, target, number)
    theirs.restore(ours.values(), ours.state())  # type: ignore[attr-defined]
    for number, (x, target) in enumerate(steps[3:], 4):
        assert ours.step(x, target, number) == pytest.approx(theirs.step(x, target, number), rel=1e-9)  # type: ignore[attr-defined]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses_of_the_digits_agree(dtype: str) -> None:
    found = [
        nncost.train("64-64:relu-10:softmax", DIGITS, target="digit", epochs=1, engine=engine, dtype=dtype)
        for engine in ("numpy", "torch")
    ]
    assert [training.engine for training in found] == ["numpy", "torch"]
    ours, theirs = (training.history[0].loss for training in found)
    assert ours == pytest.approx(theirs, rel=1e-4 if dtype == "float32" else 1e-9)


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_dropout_is_the_same_at_every_run_and_leaves_the_process_alone(tmp_path: Path, engine: str) -> None:
    import torch

    path = blobs(tmp_path / "t.csv")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    spec = "3, dense 8, relu, dropout 0.5, dense 3, softmax"
    found = [nncost.train(spec, path, target="kind", epochs=2, batch=8, engine=engine).history for _ in range(2)]
    assert [epoch.loss for epoch in found[0]] == [epoch.loss for epoch in found[1]]
    assert torch.equal(torch.rand(3), expected)
    other = nncost.train(spec, path, target="kind", epochs=2, batch=8, engine=engine, seed=1).history
    assert other[0].loss != found[0][0].loss


def test_a_saturated_sigmoid_has_a_loss() -> None:
    for engine in both("1-1:sigmoid", "binary_cross_entropy", "sgd", "float32"):
        large = {name: np.full_like(array, 1000) for name, array in engine.values().items()}  # type: ignore[attr-defined]
        engine.restore(large, {})  # type: ignore[attr-defined]
        x = np.ones((2, 1), dtype="float32")
        right = engine.step(x, np.ones((2, 1), dtype="float32"), 1)  # type: ignore[attr-defined]
        assert 0 <= right < 1e-6
        wrong = engine.step(x, np.zeros((2, 1), dtype="float32"), 1)  # type: ignore[attr-defined]
        assert 10 < wrong < 200
