"""A training that was stopped goes on as if it had not been; what it wrote is whole at any moment."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nncost
from nncost.api import train_until_interrupted
from nncost.trainer import loop as loop_module
from nncost.trainer.outcome import Training
from tests.trainer.tables import DIGITS, blobs, quick

ENGINES = ["numpy", "torch"]
SPEC = "3, dense 8, batchnorm, relu, dropout 0.2, dense 3, softmax"


def arrays(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "state.npz") as content:
        return {name: content[name] for name in content.files if "/" in name}


def losses(training: Training) -> list[tuple[float, float | None, float | None]]:
    return [(epoch.loss, epoch.accuracy, epoch.validation_loss) for epoch in training.history]


def assert_same(one: Path, other: Path) -> None:
    first, second = arrays(one), arrays(other)
    assert first.keys() == second.keys()
    assert len(first) > 3
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name], err_msg=name)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adagrad", "lion"])
def test_three_epochs_and_three_more_are_six(tmp_path: Path, engine: str, optimizer: str) -> None:
    if engine == "torch":
        pytest.importorskip("torch")
    path = blobs(tmp_path / "t.csv")
    settings: dict[str, Any] = {"engine": engine, "optimizer": optimizer, "patience": 9, "seed": 4}
    whole = quick(path, SPEC, epochs=6, save=tmp_path / "whole", **settings)
    quick(path, SPEC, epochs=3, save=tmp_path / "parts", **settings)
    parts = nncost.train(SPEC, path, resume=tmp_path / "parts", epochs=6)
    assert losses(parts) == losses(whole)
    assert parts.test == whole.test
    assert parts.engine == engine
    assert_same(tmp_path / "whole", tmp_path / "parts")


class Interruption:
    """Ctrl-C while a given step runs."""

    def __init__(self, step: int) -> None:
        self.step = step

    def __call__(self, progress: Any) -> None:
        if progress.step == self.step:
            os.kill(os.getpid(), 2)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("step", [1, 4, 9, 13])
def test_an_interrupted_epoch_goes_on_in_its_middle(tmp_path: Path, engine: str, step: int) -> None:
    if engine == "torch":
        pytest.importorskip("torch")
    path = blobs(tmp_path / "t.csv")
    whole = quick(path, SPEC, epochs=3, engine=engine, save=tmp_path / "whole")
    settings: dict[str, Any] = {"target": "kind", "batch": 8, "engine": engine, "epochs": 3}
    stopped = train_until_interrupted(SPEC, path, save=tmp_path / "parts", on_step=Interruption(step), **settings)
    assert stopped.interrupted
    assert stopped.steps == step
    assert stopped.test is None
    parts = nncost.train(SPEC, path, resume=tmp_path / "parts")
    assert not parts.interrupted
    assert losses(parts) == losses(whole)
    assert_same(tmp_path / "whole", tmp_path / "parts")


def test_an_interrupted_training_is_saved_beside_the_user_s_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    blobs(tmp_path / "t.csv")
    settings: dict[str, Any] = {"target": "kind", "batch": 8, "engine": "numpy", "epochs": 3}
    for name in ("3-8-3-training", "3-8-3-training-2"):
        stopped = train_until_interrupted("3-8-3", "t.csv", on_step=Interruption(2), **settings)
        assert stopped.files[0] == os.path.join(name, "state.npz")  # noqa: PTH118
    assert nncost.train("3-8-3", "t.csv", resume="3-8-3-training/state.npz").steps == 27


def test_a_whole_training_is_not_interrupted_by_its_last_step(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"target": "kind", "batch": 8, "engine": "numpy", "epochs": 1}
    assert not train_until_interrupted(
        "3-8-3", blobs(tmp_path / "t.csv"), on_step=Interruption(9), **settings
    ).interrupted


def test_in_python_an_interruption_is_raised_after_saving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loop_module.Loop, "_report_step", lambda self, finished: os.kill(os.getpid(), 2))
    with pytest.raises(KeyboardInterrupt, match="saved in"):
        quick(blobs(tmp_path / "t.csv"))
    assert (tmp_path / "3-8-relu-3-softmax-training" / "state.npz").exists()


# ------------------------------------------------------------------- what is written
def test_files_for_other_programs(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    from safetensors import safe_open

    training = quick(blobs(tmp_path / "t.csv"), SPEC, epochs=20, save=tmp_path / "out")
    names = ["state.npz", "weights.safetensors", "network.onnx", "training.json"]
    assert [Path(path).name for path in training.files] == names
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    told = json.loads((tmp_path / "out" / "training.json").read_text())
    assert told["test_accuracy"] == training.test_accuracy
    rows = np.genfromtxt(tmp_path / "t.csv", delimiter=",", skip_header=1, dtype=None, encoding=None)
    x = np.array([[row[0], row[1], row[2]] for row in rows])
    scaling = told["scaling"]["inputs"]
    scaled = ((x - scaling["shift"]) / scaling["scale"]).astype("float32")
    network = onnxruntime.InferenceSession(tmp_path / "out" / "network.onnx")
    chosen = network.run(None, {network.get_inputs()[0].name: scaled})[0].argmax(axis=1)
    right = np.mean([told["classes"][c] == row[3] for c, row in zip(chosen, rows, strict=True)])
    assert right > 0.9
    with safe_open(tmp_path / "out" / "weights.safetensors", "np") as weights:
        assert json.loads(weights.metadata()["scaling"])["inputs"] == scaling
        assert "dense.1.weight" in weights.keys()  # noqa: SIM118
    assert nncost.count(tmp_path / "out" / "network.onnx").parameters.trainable == training.parameters


def test_nothing_is_written_without_being_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    quick(blobs(tmp_path / "t.csv"))
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_a_folder_with_a_training_is_not_written_over(tmp_path: Path) -> None:
    path = blobs(tmp_path / "t.csv")
    quick(path, save=tmp_path / "out")
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    with pytest.raises(nncost.NncostError, match="holds a training already"):
        quick(path, save=tmp_path / "out", epochs=5)
    with pytest.raises(nncost.NncostError, match="is a file"):
        quick(path, save=path)
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == before


class FullDisk:
    """Every write fails after some."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
        self.left, self.real = writes, os.fsync
        monkeypatch.setattr(os, "fsync", self)

    def __call__(self, handle: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.real(handle)


def test_a_full_disk_leaves_what_was_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = blobs(tmp_path / "t.csv"), tmp_path / "out"
    with monkeypatch.context() as patched:
        FullDisk(patched, writes=3)
        with pytest.raises(nncost.NncostError, match=r"No space left on device\..*The state\.npz of before is whole"):
            quick(path, epochs=9, save=out)
    assert [file.name for file in out.iterdir()] == ["state.npz"]
    assert len(nncost.train("3-8:relu-3:softmax", path, resume=out).history) == 9
    whole = quick(path, epochs=9, save=tmp_path / "whole")
    assert whole.test is not None
    assert_same(out, tmp_path / "whole")
    with monkeypatch.context() as patched:
        FullDisk(patched, writes=0)
        with pytest.raises(nncost.NncostError, match="cannot write"):
            quick(path, epochs=1, save=tmp_path / "none")
    assert list((tmp_path / "none").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_cannot_be_written_is_told_before_the_training(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(nncost.NncostError, match="Permission denied"):
        quick(blobs(tmp_path / "t.csv"), save=tmp_path / "closed" / "out")


# ------------------------------------------------------------------- what cannot be resumed
@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"source": "3-9:relu-3:softmax"}, "the network differs: '3-8:relu-3:softmax' there, '3-9:relu-3:softmax' now"),
        ({"batch": 9}, "has batch 8, received 9"),
        ({"optimizer": "sgd"}, "has optimizer 'adam', received 'sgd'"),
        ({"seed": 1}, "has seed 0, received 1"),
        ({"ignore": ["a"]}, "has ignore [], received ['a']"),
        ({"epochs": 2}, "has finished its 2 epochs"),
        ({"dtype": "float64"}, "the dtype differs"),
        ({"save": "elsewhere"}, None),
    ],
)
def test_what_may_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], fragment: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    path = blobs(tmp_path / "t.csv")
    quick(path, save=tmp_path / "out")
    given: dict[str, Any] = {"source": "3-8:relu-3:softmax", "epochs": 3, **change}
    if fragment is None:
        nncost.train(given.pop("source"), path, resume=tmp_path / "out", **given)
        assert (tmp_path / "elsewhere" / "weights.safetensors").exists()
        return
    with pytest.raises(nncost.NncostError) as raised:
        nncost.train(given.pop("source"), path, resume=tmp_path / "out", **given)
    assert fragment in str(raised.value)


def test_other_examples_are_noticed(tmp_path: Path) -> None:
    path = blobs(tmp_path / "t.csv")
    quick(path, save=tmp_path / "out")
    path.write_text(path.read_text().replace("1", "2", 1))
    with pytest.raises(nncost.NncostError, match="the examples differ"):
        nncost.train("3-8:relu-3:softmax", path, resume=tmp_path / "out", epochs=3)


class Trap:
    """A pickle that would tell of being run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, ("ran",))


def damaged(folder: Path, **arrays_of: Any) -> None:
    with np.load(folder / "state.npz") as content:
        held = {name: content[name] for name in content.files}
    held.update({name.replace("__", "/"): array for name, array in arrays_of.items()})
    np.savez(folder / "state.npz", **{name: array for name, array in held.items() if array is not None})


def test_hostile_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path, out = blobs(tmp_path / "t.csv"), tmp_path / "out"
    quick(path, save=out)
    whole = (out / "state.npz").read_bytes()
    name = "values__dense.1.weight"
    with np.load(out / "state.npz") as content:
        meta = json.loads(str(content["nncost"]))

    def refused(fragment: str, **changes: Any) -> None:
        (out / "state.npz").write_bytes(whole)
        damaged(out, **changes)
        with pytest.raises(nncost.NncostError) as raised:
            nncost.train("3-8:relu-3:softmax", path, resume=out, epochs=3)
        assert fragment in str(raised.value)
        assert not (tmp_path / "ran").exists()

    def other(**changes: Any) -> np.ndarray:
        return np.array(json.dumps({**meta, **changes}))

    refused("Python objects", **{name: np.array([Trap()], dtype=object)})
    refused("is (8, 4) float32, expected (8, 3) float32", **{name: np.zeros((8, 4), dtype="float32")})
    refused("float64, expected (8, 3) float32", **{name: np.zeros((8, 3))})
    refused("is not there, expected", **{name: None})
    refused("expected not there", values__other=np.zeros(3))
    refused("is no checkpoint", nncost=None)
    refused("is no checkpoint", nncost=np.array("{"))
    refused("is no checkpoint", nncost=np.array("[" * 100_000))
    refused("does not say nncost.checkpoint/1", nncost=np.array("{}"))
    refused("has no settings", nncost=other(settings=None))
    refused("is no checkpoint", nncost=other(state={"epoch": 1}))
    refused("is no checkpoint", nncost=other(state={**meta["state"], "epoch": -1}))
    refused("is no checkpoint", nncost=other(state={**meta["state"], "history": [{"bad": 1}] * 2}))
    refused("steps", nncost=other(state={**meta["state"], "batch": 10**6}))
    refused("unknown optimizer", nncost=other(settings={**meta["settings"], "optimizer": ["x"]}))
    refused("it has no settings", nncost=other(settings={**meta["settings"], "surprise": 1}))
    for end in (0, 10, len(whole) // 2, len(whole) - 1):
        (out / "state.npz").write_bytes(whole[:end])
        with pytest.raises(nncost.NncostError, match="is no checkpoint"):
            nncost.train("3-8:relu-3:softmax", path, resume=out, epochs=3)
    with pytest.raises(nncost.NncostError, match="no training to resume"):
        nncost.train("3-8:relu-3:softmax", path, resume=tmp_path / "none")
    with pytest.raises(nncost.NncostError, match="is no checkpoint"):
        nncost.train("3-8:relu-3:softmax", path, resume=path)
    with pytest.raises(nncost.NncostError, match="no training to resume"):
        nncost.train("3-8:relu-3:softmax", path, resume="/dev/zero")


def test_a_checkpoint_of_the_other_engine(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    nncost.train("64-16:relu-10", DIGITS, target="digit", epochs=1, engine="numpy", save=tmp_path / "out")
    went_on = nncost.train("64-16:relu-10", DIGITS, resume=tmp_path / "out", epochs=2, engine="torch")
    whole = nncost.train("64-16:relu-10", DIGITS, target="digit", epochs=2, engine="numpy")
    assert went_on.engine == "torch"
    assert went_on.history[1].loss == pytest.approx(whole.history[1].loss, rel=1e-4)
