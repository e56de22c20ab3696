"""Formulas that are too long for a page: a count shows numbers at sizes, and says at which."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nncost.cli.main import run

pytest.importorskip("onnx")
from tests.onnx.examples import weights
from tests.onnx.models import make_model, node, saved


def network(folder: Path) -> str:
    """Four inputs of open sizes, each multiplied with weights, side by side."""
    nodes = [node("MatMul", f"x{n} w", f"y{n}") for n in range(4)]
    nodes.append(node("Concat", "y0 y1 y2 y3", axis=0))
    shapes = {f"x{n}": (size, 3) for n, size in enumerate("abcd")}
    return saved(make_model(nodes, shapes, constants={"w": weights(3, 4)}), folder)


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["count", *arguments]) == 0
    return " ".join(capsys.readouterr().out.split())


NOTE = "The formulas are too long to be read, so this is shown at"


def test_a_file_with_many_open_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = network(tmp_path)
    text = shown(capsys, path)
    assert f"{NOTE} --set a=1 --set b=256 --set c=256 --set d=256 (--json has the formulas)." in text
    assert f"mul {12 * (1 + 3 * 256):,}" in text
    data = json.loads(shown(capsys, path, "--json"))
    assert data["totals"]["forward"]["mul"] == "12*a + 12*b + 12*c + 12*d"
    assert NOTE not in shown(capsys, path, "--set", "d=1")


def test_the_batch_that_a_caller_names_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, network(tmp_path), "--batch", "B")
    assert f"{NOTE} --set b=256 --set c=256 --set d=256" in text
    assert "mul 12·B + 9,216" in text


def test_symbols_of_a_spec_stay(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "784-a-b-c-10", "--batch", "B")
    assert NOTE not in text
    assert "784·B·a" in text
