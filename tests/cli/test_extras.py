"""Without the packages of the extras every command still answers: with a result, or with the line that installs one."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import nncost
from tests.cli.screens import SOURCES

BLOCKED = (
    "torch",
    "torchvision",
    "timm",
    "onnx",
    "transformers",
    "huggingface_hub",
    "h5py",
    "gguf",
    "safetensors",
    "pyarrow",
    "vl_convert",
    "altair",
)
SCRIPT = f"""
import contextlib, io, json, shlex, sys
for name in {BLOCKED!r}:
    sys.modules[name] = None
from nncost.cli.main import run
said = {{}}
for command in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(shlex.split(command))
    said[command] = [code, out.getvalue(), err.getvalue()]
json.dump(said, sys.stdout)
"""
NEEDS = {
    **{f"{command} m.onnx": "onnx" for command in ("count", "explain", "formula", "predict --on h100")},
    **{f"{command} net.py:build": "torch" for command in ("count", "explain", "formula", "predict --on h100", "measure")},
    **{f"{command} config.json": "huggingface" for command in ("count", "explain", "formula", "predict --on h100")},
    **{f"count m.{ending}": "weights" for ending in ("safetensors", "gguf", "h5", "keras")},
    "count late.py:build": "torch", "count torch.nn:Linear": "torch", "measure 3-2": "torch", "measure m.onnx": "torch",
    "calibrate": "torch", "coverage torch": "torch", "coverage": "torch", "coverage onnx": "onnx", "count . --expand": "huggingface",
    "train 1-2 --data t.csv --target b --engine torch": "torch", "train 1-2 --data t.parquet --target b": "train",
    "plot 3-2 -o x.svg": "charts", "plot 3-2 memory -o x.png": "charts", "plot 3-2 memory -o x.html": "charts",
}  # fmt: skip
WORKS = (
    "count 3-2", "count h0-h1-...-hl", "explain 3-2", "formula 3-h-2", "predict 3-2 --on h100", "devices",
    "count 3-2 --allocator cuda", "explain 3-2 --why torch", "docs", "docs torch", "completion bash", "count m.npz", "count m.npy",
    "plot 3-2", "plot 3-2 memory --json", "plot 3-2 tree --html", "plot 3-2 time --on h100 --markdown",
    "train 1-2 --data t.csv --target b --epochs 1", "train 1-2 --data t.csv --target b --epochs 1 --save out",
)  # fmt: skip


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every command's exit code and what it says, from one process that cannot import any of the packages."""
    import numpy as np

    folder = tmp_path_factory.mktemp("bare")
    beginnings = {
        "m.onnx": b"\x08\x07", "m.safetensors": b"\x02" + bytes(7) + b"{}", "m.gguf": b"GGUF\x03" + bytes(19),
        "m.h5": b"\x89HDF\r\n\x1a\n" + bytes(600), "t.parquet": b"PAR1" + bytes(20) + b"PAR1",
        "net.py": b"import torch\n\ndef build():\n    return torch.nn.Linear(3, 2)\n",
        "late.py": b"def build():\n    from torch import nn\n    return nn.Linear(3, 2)\n",
        "config.json": json.dumps({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}).encode(),
        "t.csv": b"a,b\n" + b"".join(b"%d,%d\n" % (i, i % 2) for i in range(40)),
    }  # fmt: skip
    for name, content in beginnings.items():
        (folder / name).write_bytes(content)
    np.savez(folder / "m.npz", w=np.zeros((3, 2)))
    np.save(folder / "m.npy", np.zeros((3, 2)))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], input=json.dumps([*NEEDS, *WORKS]), capture_output=True, text=True, cwd=folder,
        env={**os.environ, "NNCOST_CACHE": str(folder / "cache"), "PYTHONPATH": SOURCES}, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.parametrize("command", NEEDS)
def test_a_missing_extra_is_one_sentence(command: str, answers: dict[str, Any]) -> None:
    code, out, err = answers[command]
    assert (code, out) == (2, "")
    said, hint = err.splitlines()
    assert said.startswith("nncost: error: ")
    assert said.endswith("which is not installed.")
    assert hint == f'Install it with:  pip install "nncost[{NEEDS[command]}]"'


@pytest.mark.parametrize("command", WORKS)
def test_what_needs_no_extra_works(command: str, answers: dict[str, Any]) -> None:
    code, out, err = answers[command]
    assert code == 0, err
    assert out
    assert "Traceback" not in err


def test_every_extra_has_code_behind_it() -> None:
    """Each package of an extra is imported somewhere, and each extra is named where one is missing."""
    import tomllib

    root = Path(__file__).parents[2]
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    code = "\n".join(path.read_text(encoding="utf-8") for path in Path(nncost.__file__).parent.rglob("*.py"))
    everything = extras.pop("all")
    assert shlex.split(everything[0].removeprefix("nncost[").removesuffix("]").replace(",", " ")) == sorted(extras)
    for packages in extras.values():
        for package in packages:
            name = package.partition(">")[0]
            assert f"import {name}" in code or f"from {name}" in code or f'"{name}"' in code
