"""From a file to a trained network: what is recognised, how good it becomes, what is reported."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

import nncost
from nncost.pipeline.keywords import settings_of
from nncost.trainer.network import network_of
from nncost.trainer.scaling import standard, unit_range
from nncost.trainer.split import split_rows
from tests.trainer.tables import DIGITS, blobs, line, quick

ENOUGH = 0.95


@pytest.mark.parametrize("engine", ["numpy", "torch"])
@pytest.mark.parametrize(
    "spec", ["64-64:relu-10:softmax", "64-32-10", "1x8x8, conv 8 3x3, relu, maxpool 2, flatten, dense 10"]
)
def test_digits_are_learned(engine: str, spec: str) -> None:
    if engine == "torch":
        pytest.importorskip("torch")
    training = nncost.train(spec, DIGITS, target="digit", epochs=20, batch=32, optimizer="adam", engine=engine)
    assert training.engine == engine
    assert training.test_accuracy is not None
    assert training.test_accuracy >= ENOUGH
    assert training.rows == {"train": 1438, "validation": 0, "test": 359}
    assert training.steps == 20 * 45
    told = training.to_dict()
    assert json.loads(json.dumps(told)) == told
    assert told["schema"] == "nncost.training/1"
    for kind, names in (("seconds", ("step", "run")), ("memory", ("step_peak",))):
        for name in names:
            predicted, measured = told["predicted"][kind][name], told["measured"][kind][name]
            assert predicted > 0
            assert told["ratio"][kind][name] == predicted / measured


def test_operations_are_those_of_the_count_and_those_executed() -> None:
    small = nncost.train("64-32-10", DIGITS, target="digit", epochs=3, engine="numpy")
    counted = nncost.count("64-32-10", batch=32, optimizer="adam", examples=1438, epochs=3)
    predicted, measured = small.predicted["operations"], small.measured["operations"]
    assert predicted == {"step": counted.step.flops, "run": counted.quantity("run.totals.step.flops")}
    assert measured == {"step": counted.step.flops}
    large = nncost.train("64-256:relu-10:softmax", DIGITS, target="digit", epochs=1, engine="numpy")
    one = nncost.count("64-256:relu-10:softmax", optimizer="adam").step.flops
    assert large.measured["operations"] == {"step_of_one_example": one}
    assert large.predicted["operations"]["step_of_one_example"] == one


def test_memory_of_pytorch_is_its_allocators() -> None:
    pytest.importorskip("torch")
    for spec in ("64-32-10", "1x8x8, conv 4 3x3, relu, flatten, dense 10, softmax"):
        training = nncost.train(spec, DIGITS, target="digit", epochs=1, engine="torch")
        assert training.predicted["memory"] == training.measured["memory"]


# ------------------------------------------------------------------- tasks
def test_labels_are_kept(tmp_path: Path) -> None:
    training = quick(blobs(tmp_path / "t.csv"), epochs=30)
    assert (training.task, training.labels) == ("classification", ("x", "y", "z"))
    assert training.test_accuracy is not None
    assert training.test_accuracy > 0.9
    numbered = quick(blobs(tmp_path / "t.csv", text=False))
    assert numbered.labels == ("0", "1", "2")


@pytest.mark.parametrize(
    ("spec", "loss"),
    [("3-4:relu-2:softmax", "cross_entropy"), ("3-4:relu-1", "binary_cross_entropy"), ("3-4-2", "squared_error"),
     ("3-4:relu-1:none", "squared_error"), ("3-4:relu-2:none", "cross_entropy")],
)  # fmt: skip
def test_two_classes_take_one_output_or_two(tmp_path: Path, spec: str, loss: str) -> None:
    training = quick(blobs(tmp_path / "t.csv", classes=2), spec, epochs=40, learning_rate=0.03)
    assert training.loss == loss
    assert training.test_accuracy == 1.0


def test_logits_of_two_classes_are_judged_at_zero(tmp_path: Path) -> None:
    training = quick(
        blobs(tmp_path / "t.csv", classes=2), "3-4:relu-1:none", epochs=40, learning_rate=0.03,
        loss="binary_cross_entropy_with_logits",
    )  # fmt: skip
    assert training.test is not None
    assert training.test_accuracy == 1.0
    assert 0 < training.test.loss < 0.5


@pytest.mark.parametrize("spec", ["2-16:relu-1:none", "2-16:tanh-1", "2, dense 16, tanh, dense 1, sigmoid"])
def test_amounts(tmp_path: Path, spec: str) -> None:
    training = nncost.train(
        spec, line(tmp_path / "t.csv"), target="price", epochs=150, batch=8, engine="numpy", learning_rate=0.01
    )
    assert training.task == "regression"
    assert training.test_accuracy is None
    assert training.test is not None
    assert training.test.r2 is not None
    assert training.test.r2 > 0.9
    spread = np.loadtxt(tmp_path / "t.csv", delimiter=";", skiprows=1)[:, 2].std()
    assert training.test.rmse is not None
    assert training.test.rmse < spread / 3
    assert ("scaled to 0…1" in " ".join(training.notes)) == (not spec.endswith(":none"))


def test_few_whole_numbers_are_a_number_where_the_network_has_one_output(tmp_path: Path) -> None:
    path = blobs(tmp_path / "t.csv", text=False)
    assert quick(path, "3-4-1:none").task == "regression"
    assert quick(path, "3-4-3").task == "classification"
    with pytest.raises(nncost.NncostError, match="has 3 classes"):
        quick(path, "3-4-1:none", task="classification")
    with pytest.raises(nncost.NncostError, match="a last layer of width 1"):
        quick(path, "3-4-3", task="regression")


def test_indices_of_an_embedding_are_not_scaled(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = rng.integers(0, 20, (120, 4))
    np.savez(tmp_path / "t.npz", words=words, kind=(words[:, 0] > 9).astype(int))
    training = quick(tmp_path / "t.npz", "4, embedding 20 8, flatten, dense 2, softmax", epochs=30)
    assert training.test_accuracy is not None
    assert training.test_accuracy > 0.8
    with pytest.raises(nncost.NncostError, match="no whole number from 0 to 9"):
        quick(tmp_path / "t.npz", "4, embedding 10 8, flatten, dense 2, softmax")


def test_arrays_instead_of_a_file() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3, 2))
    training = nncost.train("3x2, flatten, dense 2, softmax", (x, x[:, 0, 0] > 0), epochs=3, batch=8, engine="numpy")
    assert training.labels == ("false", "true")
    with pytest.raises(nncost.NncostError, match="a pair of arrays"):
        nncost.train("3-2", {"x": x})


# ------------------------------------------------------------------- parts and scaling
def test_parts_are_stratified_disjoint_and_seeded() -> None:
    classes = np.array([0] * 80 + [1] * 19 + [2])
    split = split_rows(classes, 100, test=0.2, validation=0.1, seed=0)
    whole = np.concatenate([split.train, split.validation, split.test])
    assert sorted(whole) == list(range(100))
    assert np.bincount(classes[split.test], minlength=3).tolist() == [16, 4, 0]
    assert np.bincount(classes[split.validation], minlength=3).tolist() == [8, 2, 0]
    again = split_rows(classes, 100, test=0.2, validation=0.1, seed=0)
    assert all((a == b).all() for a, b in ((split.train, again.train), (split.test, again.test)))
    assert (split_rows(classes, 100, test=0.2, validation=0.1, seed=1).test != split.test).any()


def test_scaling_is_learned_from_training_rows_and_undone() -> None:
    rows = np.array([[1.0, 5.0, 1e300], [3.0, 5.0, -1e300], [5.0, 5.0, 1e300]])
    scaled = standard(rows)
    applied = scaled.apply(rows)
    np.testing.assert_allclose(applied.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(applied[:, [0, 2]].std(axis=0), 1)
    assert (applied[:, 1] == 0).all()
    np.testing.assert_allclose(scaled.undo(applied), rows)
    assert unit_range(rows[:, 0]).apply(rows[:, 0]).tolist() == [0, 0.5, 1]


def test_an_outlier_of_the_test_rows_does_not_change_the_training(tmp_path: Path) -> None:
    path = blobs(tmp_path / "t.csv")
    first = quick(path)
    lines = path.read_text().splitlines()
    kinds = np.array(["xyz".index(row[-1]) for row in lines[1:]])
    tested = split_rows(kinds, len(kinds), test=0.2, validation=0.0, seed=0).test[0]
    lines[1 + tested] = f"1e9,-1e9,1e9,{'xyz'[kinds[tested]]}"
    path.write_text("\n".join(lines))
    second = quick(path)
    assert [epoch.loss for epoch in first.history] == [epoch.loss for epoch in second.history]


# ------------------------------------------------------------------- stopping
def test_patience_keeps_the_best_parameters(tmp_path: Path) -> None:
    training = quick(blobs(tmp_path / "t.csv"), epochs=200, patience=2, learning_rate=0.3, save=tmp_path / "out")
    assert training.stopped_early
    losses = [epoch.validation_loss for epoch in training.history]
    assert training.best_epoch == 1 + losses.index(min(losses))
    assert len(losses) == training.best_epoch + 2
    from safetensors.numpy import load_file

    with np.load(tmp_path / "out" / "state.npz") as held:
        for name, array in load_file(tmp_path / "out" / "weights.safetensors").items():
            np.testing.assert_array_equal(array, held[f"best/{name}"])


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_a_loss_that_is_no_number_stops_and_keeps_the_last_checkpoint(tmp_path: Path, engine: str) -> None:
    path, out = line(tmp_path / "t.csv"), tmp_path / "out"
    settings = {"target": "price", "batch": 8, "engine": engine, "optimizer": "sgd"}
    nncost.train("2-8:relu-8:relu-1:none", path, epochs=1, learning_rate=0.01, save=out, **settings)
    before = (out / "state.npz").read_bytes()
    with pytest.raises(nncost.NncostError, match=r"became (nan|inf) in epoch 2, step \d+ of 8, with sgd") as raised:
        nncost.train("2-8:relu-8:relu-1:none", path, epochs=9, learning_rate=1e9, resume=out, engine=engine)
    assert "--learning-rate 1e+08" in str(raised.value)
    with np.load(out / "state.npz") as kept, np.load(BytesIO(before)) as old:
        assert all((kept[name] == old[name]).all() for name in old.files if "/" in name)


# ------------------------------------------------------------------- what does not fit
@pytest.mark.parametrize(
    ("spec", "settings", "fragment"),
    [
        ("4-3", {}, "the table has 3 columns beside the target 'kind', the network takes 4"),
        ("1x8x8, conv 2 3x3, flatten, dense 3", {}, "takes 64 (1x8x8)"),
        ("3-4", {}, "has 3 classes (x, y, z), the network has 4 outputs"),
        ("3-1", {}, "has 3 classes"),
        ("3-3", {"batch": 4000}, "72 of 90 rows are for training, fewer than one batch of 4,000"),
        ("3-3", {"target": "none"}, "Its columns: a, b, c, kind"),
        ("3-3", {"target": "a"}, "1 column of text: kind"),
        ("3-3", {"task": "clustering"}, "Accepted: classification, regression"),
        ("3-3", {"task": "regression"}, "is not a number in row 1 (line 2): 'x'"),
        ("3-3", {"optimizer": "sdg"}, "unknown optimizer 'sdg'"),
        ("3-3", {"engine": "jax"}, "Accepted: auto, torch, numpy"),
        ("3-3", {"loss": "sum"}, "Accepted: squared_error, cross_entropy, binary_cross_entropy"),
        ("3-3:none", {"loss": "binary_cross_entropy"}, "ends in a sigmoid"),
        ("3-3", {"loss": "binary_cross_entropy_with_logits"}, "does not end in a sigmoid"),
        ("3-1", {"loss": "cross_entropy", "target": "a", "ignore": ["kind"]}, "the network takes 3"),
        (
            "2-1:none",
            {"loss": "cross_entropy", "target": "a", "ignore": ["kind"]},
            "a class for each of several outputs",
        ),
        ("3-3", {"learning_rate": 0}, "learning_rate is a number above 0"),
        ("3-3", {"learning_rate": float("nan")}, "learning_rate must be a number"),
        ("3-3", {"epochs": 0}, "epochs must be a whole number of at least 1"),
        ("3-3", {"epochs": True}, "epochs must be"),
        ("3-3", {"seed": -1}, "at least 0"),
        ("3-3", {"test_share": 1.5}, "test_share is a share"),
        ("3-3", {"test_share": 0.6, "validation_share": 0.5}, "leave no rows"),
        ("3-3", {"test_share": 0.001}, "too few for test_share"),
        ("3-3", {"patience": 2, "validation_share": 0}, "needs rows for it"),
        ("3-3", {"dtype": "float16"}, "float32 or float64"),
        ("3-h-3", {}, "For example: --symbol h=128"),
        ("3-3-", {}, "3-3-"),
        ("3x3, dense 3", {}, "needs a vector"),
        ("3, relu, relu", {}, "no parameter to train"),
        ("none.onnx", {}, "none.onnx"),
    ],
)
def test_settings_that_do_not_fit(tmp_path: Path, spec: str, settings: dict[str, object], fragment: str) -> None:
    with pytest.raises(nncost.NncostError) as raised:
        quick(blobs(tmp_path / "t.csv"), spec, **settings)
    assert fragment in str(raised.value)


def test_targets_that_teach_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,kind\n" + "1,x\n2,x\n" * 20)
    with pytest.raises(nncost.NncostError, match="one class in all rows: 'x'"):
        quick(path, "1-2")
    path.write_text("a,kind\n" + "1,7.5\n2,7.5\n" * 20)
    with pytest.raises(nncost.NncostError, match=r"is 7\.5 in all rows"):
        quick(path, "1-1")
    path.write_text("a,kind\n" + "1,7.5\n2,oops\n" * 20)
    with pytest.raises(nncost.NncostError, match=r"'kind' is not a number in row 2 \(line 3\): 'oops'"):
        quick(path, "1-1", task="regression")


def test_the_target_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(nncost.NncostError, match="--target NAME, one of: a, b, c, kind"):
        quick(blobs(tmp_path / "t.csv"), target=None)


def test_only_specs_are_trained(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    path = blobs(tmp_path / "t.csv")
    for source in (torch.nn.Linear(3, 3), network_of("3-3", settings_of()).inference(1)):
        with pytest.raises(nncost.NncostError, match=r"takes a spec, received a (torch|nncost)\."):
            nncost.train(source, path, target="kind")
    quick(path, "3-3", save=tmp_path / "out")
    with pytest.raises(nncost.NncostError, match="is of the kind onnx"):
        quick(path, str(tmp_path / "out" / "network.onnx"))
    (tmp_path / "net.nncost").write_text("3-h:relu-3:softmax  # as a file")
    assert quick(path, str(tmp_path / "net.nncost"), symbols={"h": 5}).parameters == 4 * 5 + 6 * 3
