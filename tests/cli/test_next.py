"""Each ``Next:`` line is a command that can be pasted into a shell, and it is about the same network."""

from __future__ import annotations

import io
import json
import re
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nncost
from nncost.cli.main import run
from nncost.views.command import Command

ROOT = Path(__file__).parents[2]
LENET = f"{ROOT / 'examples' / 'lenet.py'}:build"
CONFIG = str(ROOT / "tests" / "huggingface" / "configs" / "pythia-14m.json")
SPECS = [
    ["784-16-16-10"],
    ["784-16-16-10", "--batch", "64", "--loss", "cross_entropy", "--optimizer", "adam"],
    ["784-16-10", "--examples", "100", "--epochs", "2", "--batch", "8", "--accumulate", "2"],
    ["784-16-10", "--freeze", "dense.1", "--freeze", "dense.2.weight", "--dtype", "float64", "--no-bias", "--activation", "relu"],
    ["784-16-10", "--bias", "hidden", "--convention", "torch", "--allocator", "cuda", "--by", "op"],
    ["3x8x8, conv 4 3x3 pad=1, batchnorm, relu, flatten, dense 10", "--taps", "valid", "--mode", "inference", "--depth", "1"],
    ["16x8, lstm 6 last, dense 2", "--loss", "none", "--expand"],
    ["784-h-10", "--symbol", "h=32", "--batch", "B"],
    ["784-h-k-10", "--set", "h=32", "--set", "k=5"],
    ["h0-h1-...-hl", "--batch", "B"],
    ["784 -> 16 -> 10", "--fits", "1GiB", "--shapes"],
    ["4x6, [residual[layernorm, attention heads=2]]*3", "--by", "memory"],
]  # fmt: skip


def printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert run(arguments) == 0, arguments
    return capsys.readouterr().out


def pasted(text: str) -> list[str]:
    """The arguments that a shell makes of the command behind ``Next:``; a backslash at an end of line goes on."""
    lines = text[text.index("\nNext: ") + len("\nNext: ") :].replace("\\\n", " ").splitlines()
    assert len(lines) == 1
    name, *arguments = shlex.split(lines[0])
    assert name == "nncost"
    return arguments


def totals(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What must be the same of two commands: everything that is counted."""
    report = json.loads(printed([*arguments, "--json"], capsys))
    return {key: report.get(key) for key in ("source", "settings", "parameters", "totals", "rows", "run", "storage")}


def check(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Paste what follows a count: its totals are the same, and it says the number of parameters."""
    text = printed(["count", *arguments], capsys)
    command = pasted(text)
    assert totals(["count", *command[1:]], capsys) == totals(["count", *arguments], capsys)
    shown = printed(command, capsys)
    total = re.search(r"^parameters +(.*?)  =", text.replace("\n            ", " "), re.MULTILINE)
    assert total is not None
    symbolic = not total[1].replace(",", "").isdigit()
    assert symbolic or total[1] in shown
    return command


@pytest.mark.parametrize("arguments", SPECS, ids=" ".join)
def test_of_a_spec(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert check(arguments, capsys)[:2] == ["explain", arguments[0]]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_on_a_page(width: int) -> None:
    """The command goes on behind a backslash, between its words, so that no line is longer than the page."""
    source, options = "3x8x8, conv 4 3x3, relu", ("--batch", "64", "--loss", "cross_entropy", "--optimizer", "adam")
    report = nncost.count(source, batch=64, loss="cross_entropy", optimizer="adam")
    from nncost.views.report import report_document

    text = report_document(report, command=Command(source, options)).render("plain", width)
    assert pasted(text) == ["explain", source, *options]
    assert max(map(len, text[text.index("\nNext: ") :].splitlines())) <= width


def test_of_an_onnx_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx = pytest.importorskip("onnx")
    helper, value = onnx.helper, onnx.helper.make_tensor_value_info
    node = helper.make_node("Gemm", ["x", "w"], ["y"])
    graph = helper.make_graph(
        [node], "g", [value("x", 1, ["N", 3])], [value("y", 1, ["N", 4])],
        [onnx.numpy_helper.from_array(np.zeros((3, 4), "f4"), "w")],
    )  # fmt: skip
    path = tmp_path / "my $net's (1).onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    for options in (
        [],
        ["--batch", "5"],
        ["--loss", "squared_error", "--optimizer", "adam", "--symbol", "N=2"],
        ["--input", "7x3"],
    ):
        assert check([str(path), *options], capsys)[:2] == ["explain", str(path)]


@pytest.mark.skipif(find_spec("torch") is None, reason="needs PyTorch")
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--loss", "cross_entropy", "--optimizer", "adamw", "--no-reuse", "--no-learn", "--mode", "train"],
        ["--loss", "cross_entropy", "--backward", "derived"],
    ],
    ids=" ".join,
)
def test_of_a_module(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert check([LENET, "--input", "1x1x28x28", *options], capsys)[:2] == ["explain", LENET]


@pytest.mark.skipif(find_spec("transformers") is None, reason="needs transformers")
def test_of_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert check([CONFIG, "--input", "input_ids=1x16", "--depth", "2"], capsys)[:2] == ["explain", CONFIG]


@pytest.mark.parametrize("by", ["layer", "dtype", "tensor"])
def test_of_a_checkpoint(by: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a net.npz"
    np.savez(path, **{"1.weight": np.zeros((16, 784), "f4"), "1.bias": np.zeros(16, "f4")})
    command = check([str(path), "--by", by], capsys)
    assert command[:3] == ["count", str(path), "--by"]
    assert command[3] != by


def test_of_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def typed(text: str) -> str:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        return printed(["count", "-", "--batch", "4"], capsys)

    assert pasted(typed("784-16-16-10\n")) == ["explain", "784-16-16-10", "--batch", "4"]
    assert "Next:" not in typed("3x8x8,\n flatten,  # 192\n dense 10\n")
    assert "Next:" not in typed("4" + ", relu" * 300)


def test_of_a_prediction_that_does_not_fit(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["90000-90000", "--batch", "8", "--optimizer", "adam", "--on", "h100"]
    command = pasted(printed(["predict", *arguments], capsys))
    assert command[:2] == ["count", "90000-90000"]
    found = json.loads(printed([*command, "--json"], capsys))["memory"]["fits"]
    assert found["batch"] == 0 or found["step_peak"] <= found["bytes"]


def test_of_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path))
    text = printed(["devices"], capsys)
    assert "\nNext: nncost calibrate\n" in text
    _, _, command = next(line for line in text.splitlines() if line.startswith("One of them")).partition(": ")
    assert "source" in printed(shlex.split(command)[1:], capsys)


def test_python_has_no_shell() -> None:
    assert "Next:" not in str(nncost.count("784-16-10"))


def test_sources_that_look_like_options() -> None:
    command = Command("--x.onnx", ("--batch", "2")).next("explain")
    assert shlex.split(command.command) == ["nncost", "explain", "--batch", "2", "--", "--x.onnx"]
