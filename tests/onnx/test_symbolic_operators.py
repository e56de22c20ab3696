"""Operators over sizes that are symbols: the formulas give the counts of numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import nncost
from tests.onnx.examples.example import ints
from tests.onnx.models import make_model, node, saved

N = 6
Nodes = list[onnx.NodeProto]
CASES: list[tuple[Nodes, dict[str, Any]]] = [
    ([node("Resize", "x - s", mode="linear")], {"s": np.float32([1, 1, 2, 1.5])}),
    ([node("Resize", "x - s", mode="nearest")], {"s": np.float32([1, 1, 2, 2])}),
    ([node("Resize", "x - - s", mode="cubic")], {"s": ints(1, 4, 7, 9)}),
    ([node("TopK", "x k", "y z", axis=2)], {"k": ints(2)}),
    ([node("Hardmax", "x")], {}),
    ([node("Trilu", "x")], {}),
    ([node("Pad", "x p")], {"p": ints(0, 0, 1, 2, 0, 0, 0, 1)}),
    ([node("Pad", "x p", mode="reflect")], {"p": ints(0, 0, 1, 0, 0, 0, 1, 0)}),
    ([node("CenterCropPad", "x s", axes=[2])], {"s": ints(4)}),
    ([node("Slice", "x a b c d")], {"a": ints(-1), "b": ints(-(2**63)), "c": ints(2), "d": ints(-1)}),
    ([node("Shape", "x", "t", start=2, end=3), node("Slice", "x a t c")], {"a": ints(1), "c": ints(2)}),
    ([node("Einsum", "x w", equation="bchw,wo->bcho")], {"w": np.ones((N, 3), dtype=np.float32)}),
    ([node("Einsum", "x", equation="bchw->cw")], {}),
    ([node("ReverseSequence", "x l", batch_axis=0, time_axis=1)], {"l": ints(3)}),
    ([node("ScatterND", "x i x", reduction="add")], {"i": ints(0).reshape(1, 1)}),
    ([node("GatherND", "x i")], {"i": ints(0, 1).reshape(1, 2)}),
    ([node("CumSum", "x a")], {"a": np.int64(2)}),
    ([node("ArgMax", "x", axis=2, select_last_index=1)], {}),
    ([node("LpPool", "x", kernel_shape=[2, 2])], {}),
    ([node("MaxPool", "x", "y z", kernel_shape=[2, 2])], {}),
    ([node("AveragePool", "x", kernel_shape=[2, 2], dilations=[2, 1])], {}),
    ([node("GlobalLpPool", "x")], {}),
    ([node("OneHot", "i0 d v")], {"d": np.int64(4), "v": np.float32([0, 1])}),
    ([node("Unique", "x")], {}),
    ([node("NonZero", "x")], {}),
    ([node("RandomNormalLike", "x", mean=1.0)], {}),
    ([node("Bernoulli", "x")], {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("nodes", "constants"), CASES, ids=lambda case: case[0].op_type if isinstance(case, list) else ""
)
def test_formulas_give_the_counts_of_numbers(nodes: Nodes, constants: dict[str, Any], tmp_path: Path) -> None:
    named = "i0" in nodes[0].input
    inputs: dict[str, Any] = {"i0": (2, "n")} if named else {"x": (1, 4, "n", N)}
    model = make_model(nodes, inputs, constants=constants, types={"i0": 7} if named else {})
    path = saved(model, tmp_path)
    formula, number = nncost.count(path), nncost.count(path, symbols={"n": N})
    assert formula.complete, formula.unknown
    assert number.complete
    for quantity, amount in number.totals["forward"].items():
        found = formula.totals["forward"][quantity]
        symbols = dict.fromkeys(getattr(found, "free_symbols", ()), N)
        assert (found.subs(symbols) if symbols else found) == amount, quantity


UNKNOWN = [
    ([node("GridSample", "x g")], {"g": np.zeros((1, 2, 2, 2), dtype=np.float32)}),
    ([node("RoiAlign", "x b i")], {"b": np.zeros((1, 4), dtype=np.float32), "i": ints(0)}),
]


@pytest.mark.parametrize(("nodes", "constants"), UNKNOWN)
def test_what_needs_the_number_is_unknown_with_a_reason(
    nodes: Nodes, constants: dict[str, Any], tmp_path: Path
) -> None:
    report = nncost.count(saved(make_model(nodes, {"x": (1, 4, "n", N)}, constants=constants), tmp_path))
    (entry,) = report.unknown
    assert "symbol" in entry["reason"]
