"""Small files that ask for endless work: refused at once, or counted without doing it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import nncost
from nncost.errors import SourceError
from tests.onnx.models import OPSET, make_model, node, saved

X = {"x": (2, 3)}
MANY = helper.make_tensor("n", TensorProto.INT64, [], [10**9])
SECONDS = 10
"""Of the processor; each takes a fraction of a second alone."""


def function(name: str, *nodes: onnx.NodeProto) -> onnx.FunctionProto:
    """A function of ``a`` that gives ``b``."""
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("f", 1)]
    return helper.make_function("f", name, ["a"], ["b"], nodes, opsets)


def calling(name: str, functions: Sequence[onnx.FunctionProto]) -> onnx.ModelProto:
    model = make_model([node(name, "x", domain="f")], X)
    model.functions.extend(functions)
    return model


def body(nodes: Sequence[onnx.NodeProto], carried: str, condition: str, made: str) -> onnx.GraphProto:
    given = [("i", TensorProto.INT64, []), ("go", TensorProto.BOOL, []), (carried, TensorProto.FLOAT, [2, 3])]
    inputs = [helper.make_tensor_value_info(*each) for each in given]
    return helper.make_graph(list(nodes), "body", inputs, [onnx.ValueInfoProto(name=n) for n in (condition, made)])


def looping(nodes: Sequence[onnx.NodeProto], condition: str = "go") -> onnx.ModelProto:
    loop = node("Loop", "n - x", body=body(nodes, "s", condition, "t"))
    model = make_model([loop], X)
    model.graph.initializer.append(MANY)
    return model


def quickly(model: onnx.ModelProto, folder: Path) -> Any:
    started = time.process_time()
    try:
        return nncost.count(saved(model, folder))
    finally:
        assert time.process_time() - started < SECONDS


def test_functions_that_double(tmp_path: Path) -> None:
    functions = [function("F0", node("Relu", "a", "b"))]
    functions += [
        function(f"F{n}", node(f"F{n - 1}", "a", "c", domain="f"), node(f"F{n - 1}", "c", "b", domain="f"))
        for n in range(1, 40)
    ]
    with pytest.raises(SourceError, match="run more than 200,000 nodes"):
        quickly(calling("F39", functions), tmp_path)
    assert quickly(calling("F3", functions), tmp_path).forward.cmp == 2**3 * 6


def test_functions_that_call_themselves(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="64 deep inside each other"):
        quickly(calling("F", [function("F", node("F", "a", "b", domain="f"))]), tmp_path)


def test_a_chain_of_functions(tmp_path: Path) -> None:
    links = [function(f"F{n}", node(f"F{n - 1}", "a", "b", domain="f")) for n in range(1, 3000)]
    with pytest.raises(SourceError, match="64 deep inside each other"):
        quickly(calling("F2999", [function("F0", node("Relu", "a", "b")), *links]), tmp_path)


def test_long_loops_are_counted_as_loops(tmp_path: Path) -> None:
    assert quickly(looping([node("Relu", "s", "t")]), tmp_path).forward.cmp == 6 * 10**9


def test_loops_whose_condition_holds_for_long_are_counted_at_their_largest(tmp_path: Path) -> None:
    """What was written out before the limit was reached is not counted beside the loop."""
    report = quickly(looping([node("Less", "i n", "less"), node("Relu", "s", "t")], "less"), tmp_path)
    assert report.forward.cmp == 6 * 10**9
    assert any("at its largest, which is at most 1000000000" in note for note in report.notes)


def test_loops_in_loops_are_not_all_written_out(tmp_path: Path) -> None:
    model = looping([])
    few, depth = helper.make_tensor("n", TensorProto.INT64, [], [64]), 6
    inner: list[onnx.NodeProto] = [node("Relu", f"s{depth}", f"t{depth}")]
    for n in range(depth, 0, -1):
        inner = [node("Loop", f"n - s{n - 1}", f"t{n - 1}", body=body(inner, f"s{n}", "go", f"t{n}"))]
    model = make_model([node("Identity", "x", "s0"), *inner], X, outputs=("t0",))
    model.graph.initializer.append(few)
    assert quickly(model, tmp_path).forward.cmp == 6 * 64**depth


@pytest.mark.parametrize("condition", ["go", "less"])
def test_short_loops_deep_in_each_other(condition: str, tmp_path: Path) -> None:
    """Neither those of a known length nor those whose bodies tell their end are written out over and over."""
    depth, limits = 30, [node("Less", "i one", "less")]
    inner: list[onnx.NodeProto] = [node("Relu", f"s{depth}", f"t{depth}")]
    for n in range(depth, 0, -1):
        inside = body([*limits, *inner], f"s{n}", condition, f"t{n}")
        inner = [node("Loop", f"n - s{n - 1}", f"t{n - 1}", body=inside)]
    model = make_model([node("Identity", "x", "s0"), *inner], X, outputs=("t0",))
    model.graph.initializer.append(helper.make_tensor("n", TensorProto.INT64, [], [2]))
    model.graph.initializer.append(helper.make_tensor("one", TensorProto.INT64, [], [1]))
    assert quickly(model, tmp_path).forward.cmp >= 6 * 2**depth


@pytest.mark.parametrize(("size", "operands"), [(1, "x k"), (1, "x"), (4096, "x k")])
def test_sequences_of_too_many_pieces_are_unknown(size: int, operands: str, tmp_path: Path) -> None:
    nodes = [node("SplitToSequence", operands, "s", axis=0), node("SequenceAt", "s zero")]
    constants = {"k": np.asarray(size), "zero": np.asarray(0)}
    report = quickly(make_model(nodes, {"x": (2**27,)}, constants=constants), tmp_path)
    assert report.unknown[0]["reason"] == "a sequence of more than 4096 pieces"
    assert not quickly(make_model(nodes, {"x": (4096,)}, constants=constants), tmp_path).unknown


def test_scans_of_too_many_examples_are_unknown(tmp_path: Path) -> None:
    given = [helper.make_tensor_value_info("a", TensorProto.FLOAT, [3])]
    inside = helper.make_graph([node("Relu", "a", "b")], "body", given, [onnx.ValueInfoProto(name="b")])
    scan = node("Scan", "- x", body=inside, num_scan_inputs=1)
    report = quickly(make_model([scan], {"x": (2**25, 2, 3)}, opset=8), tmp_path)
    assert report.unknown[0]["reason"] == "a scan over more than 1024 examples"


def test_constants_that_double(tmp_path: Path) -> None:
    """Neither are they computed nor does anything else wait for them."""
    doubling = [node("Concat", f"k{n} k{n}", f"k{n + 1}", axis=0) for n in range(45)]
    model = make_model([*doubling, node("Relu", "k45")], {"k0": (2, 3)})
    assert quickly(model, tmp_path).forward.cmp == 6 * 2**45


def test_sizes_that_are_squared(tmp_path: Path) -> None:
    squares = [node("Mul", f"k{n} k{n}", f"k{n + 1}") for n in range(60)]
    model = make_model([node("Shape", "x", "k0"), *squares, node("ConstantOfShape", "k60")], {"x": ("N", 3)})
    quickly(model, tmp_path)


@pytest.mark.parametrize("field", [1, 5, 8, 11, 12, 13, 15])
def test_millions_of_empty_parts(field: int, tmp_path: Path) -> None:
    """Nodes, constants, a text, inputs, outputs, shapes and sparse constants."""
    graph = bytes([field << 3 | 2, 0]) * 2_000_000
    path = tmp_path / "net.onnx"
    path.write_bytes(make_model([node("Relu", "x")], X).SerializeToString() + b"\x3a\x80\x92\xf4\x01" + graph)
    started = time.process_time()
    with pytest.raises(SourceError, match="has more than 1,000,000 nodes, tensors and other parts"):
        nncost.count(str(path))
    assert time.process_time() - started < SECONDS


def test_long_lists_are_no_parts(tmp_path: Path) -> None:
    """Trees have a number of each of their nodes in one attribute, which is written as a field of its own."""
    model = make_model([node("Relu", "x")], X)
    model.graph.node[0].attribute.append(helper.make_attribute("numbers", [7] * 1_500_000))
    assert quickly(model, tmp_path).forward.cmp == 6
