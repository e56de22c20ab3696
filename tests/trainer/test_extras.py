"""Without PyTorch, ONNX, safetensors and pyarrow: NumPy trains, and what is missing is said with how to get it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.trainer.tables import blobs

WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "onnx", "safetensors", "pyarrow"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "torch" else real(name, package)
from nncost.cli.main import main
main()
"""
SECONDS = 60


def without(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", WITHOUT, *arguments], capture_output=True, text=True, timeout=SECONDS)


def test_numpy_alone_trains_and_saves(tmp_path: Path) -> None:
    path, out = str(blobs(tmp_path / "t.csv")), tmp_path / "out"
    done = without(
        "train", "3-8:relu-3", "--data", path, "--target", "kind", "--batch", "8", "--save", str(out), "--json"
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["engine"] == "numpy"
    assert sorted(file.name for file in out.iterdir()) == ["state.npz", "training.json"]
    notes = " ".join(told["notes"])
    assert "weights.safetensors was not written" in notes
    assert "network.onnx was not written" in notes
    assert 'pip install "nncost[' in notes
    more = without("train", "3-8:relu-3", "--data", path, "--resume", str(out), "--epochs", "12", "--json")
    assert json.loads(more.stdout)["epochs"] == 12


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    path = str(blobs(tmp_path / "t.csv"))
    done = without("train", "3-3", "--data", path, "--target", "kind", "--engine", "torch")
    assert done.returncode == 2
    assert 'pip install "nncost[torch]"' in done.stderr
    for command in (["measure", "4-4"], ["calibrate"]):
        done = without(*command)
        assert done.returncode == 2
        assert 'pip install "nncost[torch]"' in done.stderr
    (tmp_path / "t.parquet").write_bytes(b"PAR1" + bytes(100))
    done = without("train", "3-3", "--data", str(tmp_path / "t.parquet"), "--target", "kind")
    assert done.returncode == 2
    assert 'pip install "nncost[train]"' in done.stderr
    assert "Traceback" not in done.stderr
