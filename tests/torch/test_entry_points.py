"""Entry points named on the command line: found, run once, counted; every failure is one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import nncost
from nncost.cli.main import run
from nncost.errors import SourceError
from nncost.frontends.registry import front_end_for

NET = """
import sys
from dataclasses import dataclass

from torch import nn

from widths import WIDTH


@dataclass
class Options:
    bias: bool = True


class Net(nn.Module):
    def __init__(self, width=WIDTH):
        super().__init__()
        self.dense = nn.Linear(4, width, bias=Options().bias)

    def forward(self, x):
        import depth
        return self.dense(x)


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(10, 4)

    def forward(self, batch, mask=None, *, extra=None):
        assert batch["ids"].dtype.is_signed and mask.dtype.itemsize == 1
        return self.words(batch["ids"]) * mask[..., None] + sum(extra)


def build():
    print("building")
    return Net()


def with_inputs():
    return Net(), (2, 4)


def with_keywords():
    return Net(), {"x": (3, 4)}


ready = Net()
class Inside:
    net = ready


def raises():
    number = 1 / 0


def ends():
    sys.exit("please give a width")


def interrupted():
    raise KeyboardInterrupt


def three():
    return 3


def pair():
    return "net", 3


def needs(width):
    return Net(width)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "widths.py").write_text("WIDTH = 5\n")
    (tmp_path / "depth.py").write_text("")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "relative.py").write_text("from .parts import Part as Net\n")
    (tmp_path / "package" / "parts.py").write_text("from torch import nn\nclass Part(nn.Linear):\n    def __init__(self):\n        super().__init__(4, 5)\n")  # fmt: skip
    (tmp_path / "broken.py").write_text("import torch\n\nraise RuntimeError('half a file')\n")
    (tmp_path / "syntax.py").write_text("def build(:\n")
    (tmp_path / "script.py").write_text("import argparse\nargparse.ArgumentParser().parse_args(['--wrong'])\n")
    (tmp_path / "lacking.py").write_text("import a_package_that_is_not_there\n")
    monkeypatch.chdir(tmp_path)
    for name in ("widths", "depth", "package", "package.relative", "package.parts"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("source", "inputs", "macs"),
    [
        ("net.py:build", ["1x4"], 20),
        ("net.py:Net", ["x=3x4"], 60),
        ("net.py:ready", ["3x4"], 60),
        ("net.py:Inside.net", ["3x4"], 60),
        ("net.py:with_inputs", [], 40),
        ("net.py:with_inputs", ["7x4"], 140),
        ("net.py:with_keywords", [], 60),
        ("package.relative:Net", ["1x4"], 20),
        ("package.parts:Part", ["1x4"], 20),
    ],
)
def test_an_entry_point_is_counted(source: str, inputs: list[str], macs: int, folder: Path, capsys: Any) -> None:
    given = [word for text in inputs for word in ("--input", text)]
    path, modules = list(sys.path), set(sys.modules)
    assert run(["count", source, *given, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)  # what the entry point prints does not stand in between
    assert report["source"]["kind"] == "torch"
    assert report["source"]["name"] == source
    assert report["parameters"] == report["parameters"] | {"total": 25, "weights": 20, "biases": 5}
    assert report["totals"]["forward"]["macs"] == macs
    assert sys.path == path
    assert "net" not in sys.modules or "net" in modules


def test_inputs_are_named_typed_and_nested(folder: Path, capsys: Any) -> None:
    inputs = ("batch.ids=2x7:int64", "mask=2x7:bool", "extra.0=2x7x4", "extra.1=4")
    assert run(["count", "net.py:Masked", *(word for text in inputs for word in ("--input", text)), "--json"]) == 0
    shapes = json.loads(capsys.readouterr().out)["source"]["inputs"]
    assert shapes == {"batch.ids": [2, 7], "mask": [2, 7], "extra.0": [2, 7, 4], "extra.1": [4]}


@pytest.mark.parametrize(
    ("source", "fragments"),
    [
        ("net.py:raises", ("raised ZeroDivisionError: division by zero (line",)),
        ("net.py:ends", ("raised SystemExit: please give a width",)),
        ("net.py:three", ("gives int, not a torch.nn.Module",)),
        ("net.py:pair", ("gives (str, int), not",)),
        ("net.py:needs", ("without arguments", "'width'")),
        ("net.py:Nett", ("no 'Nett' in 'net.py'", "Did you mean 'Net'? It defines: Options, Net, Masked, build")),
        ("net.py:Inside.nothing", ("no 'Inside.nothing'",)),
        ("net.py:", ("no ''",)),
        ("net.py", ("say which function", "In it: build")),
        ("missing.py:build", ("there is no file 'missing.py'",)),
        ("missing.py", ("there is no file 'missing.py'",)),
        ("package:Net", ("no 'Net' in 'package'", "defines no function")),
        ("missing_package.net:build", ("no module 'missing_package'",)),
        ("package.missing:build", ("no module 'package.missing'",)),
        ("package/relative.py:Net", ("raised ImportError", "package.module:build")),
        ("broken.py:build", ("importing 'broken.py' raised RuntimeError: half a file (line 3)",)),
        ("broken:build", ("importing 'broken' raised RuntimeError: half a file (line 3)",)),
        ("syntax.py:build", ("raised SyntaxError", "line 1")),
        ("syntax.py", ("say which function",)),
        ("script.py:build", ("raised SystemExit",)),
        ("lacking.py:build", ("raised ModuleNotFoundError: No module named 'a_package_that_is_not_there'",)),
        ("lacking:build", ("raised ModuleNotFoundError: No module named 'a_package_that_is_not_there'",)),
        ("net.py:Net", ("needs its inputs", "--input 1x3x224x224")),
    ],
)
def test_failures_are_one_clear_error(source: str, fragments: tuple[str, ...], folder: Path, capsys: Any) -> None:
    path = list(sys.path)
    assert run(["count", source]) == 2
    captured = capsys.readouterr()
    message = captured.err[captured.err.index("nncost: error:") :]
    for fragment in fragments:
        assert fragment in message
    assert captured.out == ""
    assert "Traceback" not in message
    assert sys.path == path


def test_interrupting_an_entry_point(folder: Path) -> None:
    assert run(["count", "net.py:interrupted"]) == 130


@pytest.mark.parametrize(
    "spec", ["784-128:relu-64:relu-10:softmax", "h0:relu-10", "16x8, lstm 32 last", "784-10:relu", "3x8x8, conv 4 3x3"]
)
def test_specs_stay_specs(spec: str) -> None:
    assert front_end_for(spec).kind == "spec"


@pytest.mark.parametrize(
    "source", ["net.py:Net", "a/b/net.py:Net", "/a b/net.py:Net", "package.module:build", "module:build", "net.py"]
)
def test_entry_points_are_recognised(source: str) -> None:
    assert front_end_for(source).kind == "torch"


@pytest.mark.parametrize(
    ("inputs", "fragment"),
    [
        (("x=1x4", "x=1x4"), "the input 'x' is given twice"),
        (("x=1x4", "x.y=1x4"), "lies inside an input that is a tensor"),
        (("x.y=1x4", "x=1x4"), "given twice"),
        (("=1x4",), "an input is named as in x=1x128"),
        (("x..y=1x4",), "an input is named as in x=1x128"),
        (("1x4x",), "a whole number or a name"),
        (("1x0",), "at least 1"),
        (("",), "a shape is written as 1x3x224x224"),
        (("1x4 ",), "a shape is written as 1x3x224x224"),
        (("1x4:int65",), "unknown type 'int65' of an input"),
        (("1x4", "1x4"), "does not take these inputs: too many positional arguments"),
        (("y=1x4",), "does not take these inputs"),
    ],
)
def test_inputs_that_cannot_be_read(inputs: tuple[str, ...], fragment: str, folder: Path, capsys: Any) -> None:
    assert run(["count", "net.py:Net", *(word for text in inputs for word in ("--input", text))]) == 2
    assert fragment in capsys.readouterr().err


def test_in_python_too(folder: Path) -> None:
    assert nncost.count("net.py:with_inputs", loss="sum").backward.macs == 40
    with pytest.raises(SourceError, match="raised ZeroDivisionError") as raised:
        nncost.count("net.py:raises")
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


def test_the_random_state_is_as_before(folder: Path) -> None:
    import torch

    before = torch.random.get_rng_state()
    nncost.count("net.py:with_inputs")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_without_torch_the_extra_is_named(folder: Path) -> None:
    code = "import sys; sys.modules['torch'] = None\nfrom nncost.cli.main import main; main()"
    command = [sys.executable, "-c", code, "count", "net.py:Net", "--input", "1x4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=folder)
    assert done.returncode == 2
    assert 'pip install "nncost[torch]"' in done.stderr
