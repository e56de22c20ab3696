"""Operations without a lowering: listed, never zero, never a crash."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import nncost
from nncost.cli.main import run
from nncost.errors import OptionError, ShapeError
from nncost.frontends.lowering import ONNX, TORCH
from nncost.ir import ops
from tests.onnx.examples import weights
from tests.onnx.models import loaded, make_model, node, saved

DENSE = {"w": weights(3, 4), "v": weights(4, 5)}


def mystery_between(folder: Path) -> str:
    """An operation that nobody knows between two layers; the file states the shape of what it gives."""
    nodes = [
        node("MatMul", "x w", "a"),
        helper.make_node("Mystery", ["a"], ["b"], domain="com.example"),
        node("MatMul", "b v"),
    ]
    model = make_model(nodes, {"x": (2, 3)}, constants=DENSE)
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    model.graph.value_info.append(helper.make_tensor_value_info("b", TensorProto.FLOAT, [2, 4]))
    return saved(model, folder)


def test_the_shape_is_stated_and_counting_goes_on(tmp_path: Path) -> None:
    report = nncost.count(mystery_between(tmp_path), loss="squared_error", optimizer="sgd")
    assert not report.complete
    assert report.unknown[0] == {
        "path": "mystery.1", "op": "com.example.Mystery", "phase": "forward", "reason": "nncost has no rule for it",
    }  # fmt: skip
    assert report.forward.macs == 2 * (12 + 20)
    assert (report.parameters.total, report.backward.derivatives) == (32, 32)


def test_a_stated_shape_is_not_that_of_another_batch(tmp_path: Path) -> None:
    assert nncost.count(mystery_between(tmp_path)).forward.macs == 2 * (12 + 20)
    assert nncost.count(mystery_between(tmp_path), batch=5).forward.macs == 5 * 12


def test_everything_behind_an_unknown_shape_is_unknown(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Mystery", ["x"], ["a"], domain="com.example"), node("MatMul", "a w", "b"), node("MatMul", "b v", "c"),
        node("Reshape", "c s"),
    ]  # fmt: skip
    model = make_model(nodes, {"x": (2, 3)}, constants={**DENSE, "s": np.array([2, 5])})
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    report = nncost.count(saved(model, tmp_path))
    assert [entry["op"] for entry in report.unknown] == ["com.example.Mystery", "MatMul", "MatMul", "Reshape"]
    assert (report.parameters.total, report.forward.macs) == (32, 0)


def test_a_form_that_is_not_lowered_is_unknown_with_its_reason(tmp_path: Path) -> None:
    model = make_model([node("Reshape", "x s")], {"x": (2, 3), "s": (2,)}, types={"s": TensorProto.INT64})
    report = nncost.count(saved(model, tmp_path))
    assert report.unknown[0]["reason"] == "its operand 2 is computed from data"
    arrays = {"x": np.zeros((2, 3), dtype=np.float32), "s": np.array([3, 2])}
    assert nncost.count(saved(model, tmp_path), arrays).complete


def two_outputs(behind: onnx.NodeProto) -> onnx.ModelProto:
    """A Mystery with two outputs, and a node behind it."""
    model = make_model(
        [helper.make_node("Mystery", ["x"], ["y", "i"], domain="com.example"), behind],
        {"x": (1, 2)},
        outputs=("y", "z"),
    )
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    return model


def test_an_optional_output_that_is_used_is_unknown_there(tmp_path: Path) -> None:
    nncost.lowers("onnx.com.example.Mystery")(lambda call: (call.tensor(0), None))
    model = two_outputs(node("Cast", "i", "z", to=TensorProto.FLOAT))
    entries = nncost.count(saved(model, tmp_path)).unknown
    assert [(entry["op"], entry.get("reason")) for entry in entries] == [
        ("com.example.Mystery", "its output 'i'"), ("Cast", "the shape of an operand is unknown"),
    ]  # fmt: skip


def test_a_graph_output_that_no_rule_gives_is_unknown_and_not_lost(tmp_path: Path) -> None:
    nncost.lowers("onnx.com.example.Mystery")(lambda call: (call.tensor(0), None))
    model = two_outputs(node("Relu", "y", "z"))
    model.graph.output.append(onnx.ValueInfoProto(name="i"))
    report = nncost.count(saved(model, tmp_path))
    assert [entry["op"] for entry in report.unknown] == ["com.example.Mystery"]


def branches(depth: int) -> onnx.NodeProto:
    """An If whose branches hold an If … whose branches read a weight from outside."""
    if depth == 0:
        return helper.make_node("MatMul", ["x", "w"], ["y0"])
    inner = branches(depth - 1)
    body = helper.make_graph([inner], "body", [], [onnx.ValueInfoProto(name=inner.output[0])])
    return helper.make_node("If", ["c"], [f"y{depth}"], then_branch=body, else_branch=body)


def test_branches_that_data_choose_are_bounds_and_keep_their_parameters(tmp_path: Path) -> None:
    model = make_model(
        [branches(5)],
        {"x": (2, 3), "c": ()},
        constants={"w": weights(3, 4)},
        outputs=("y5",),
        types={"c": TensorProto.BOOL},
    )
    report = nncost.count(saved(model, tmp_path))
    assert report.complete
    assert (report.parameters.total, report.forward.macs) == (12, 24)
    assert any("Data decide which branch" in note for note in report.notes)


def test_functions_of_the_file_are_what_they_consist_of(tmp_path: Path) -> None:
    call = helper.make_node("Twice", ["x"], ["y"], domain="local")
    model = make_model([call], {"x": (2, 3)})
    model.opset_import.append(helper.make_opsetid("local", 1))
    body = [node("Add", "a a", "b")]
    model.functions.append(helper.make_function("local", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 21)]))
    report = nncost.count(saved(model, tmp_path))
    assert (report.complete, report.forward.add) == (True, 6)
    assert [row.path for row in report.rows] == ["twice.1.add.1"]


def test_a_failed_lowering_leaves_nothing_behind(tmp_path: Path) -> None:
    """Only the unknown operation and shared scalars stand in the graph."""
    nodes = [node("Reshape", "x s"), node("Relu", "x", "z")]
    model = make_model(nodes, {"x": (2, 3), "s": (2,)}, outputs=("z",), types={"s": TensorProto.INT64})
    kinds = [type(each.op) for each in loaded(model, tmp_path).graph.nodes()]
    assert kinds == [ops.Opaque, ops.Map]


# ------------------------------------------------------------------- rules of the user's own
@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    ONNX.forget("com.example.Mystery", "ImageDecoder", "Relu")


def mystery(tmp_path: Path) -> str:
    """A Mystery between two layers: its second operand is stored in the file."""
    nodes = [
        node("MatMul", "x w", "a"), helper.make_node("Mystery", ["a", "s"], ["b"], domain="com.example", shift=2.0),
        node("MatMul", "b v"),
    ]  # fmt: skip
    model = make_model(nodes, {"x": (2, 3)}, constants={**DENSE, "s": weights(4)})
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    model.graph.value_info.append(helper.make_tensor_value_info("b", TensorProto.FLOAT, [2, 4]))
    return saved(model, tmp_path)


def scale_shift(call: Any) -> Any:
    b = call.builder
    return b.map("add", b.map("mul", call.tensor(0), call.tensor(1, "weight")), call.attributes.number("shift", 0.0))


def test_a_rule_makes_an_unknown_operation_known(tmp_path: Path) -> None:
    path = mystery(tmp_path)
    before = nncost.count(path, loss="squared_error", optimizer="sgd")
    assert [entry["op"] for entry in before.unknown if entry["phase"] == "forward"] == ["com.example.Mystery"]
    assert nncost.lowers("onnx.com.example.Mystery")(scale_shift) is scale_shift
    report = nncost.count(path, loss="squared_error", optimizer="sgd")
    assert report.complete
    assert report.forward.mul - before.forward.mul == report.forward.add - before.forward.add == 8
    assert report.parameters.total == before.parameters.total == 36
    assert report.parameters.weights == before.parameters.weights + 4
    assert report.backward.macs == 2 * (12 + 20 + 20)  # no input gradient for the first layer


def test_a_users_rule_goes_before_ours_whichever_came_first(tmp_path: Path) -> None:
    path = saved(make_model([node("Relu", "x")], {"x": (2, 3)}), tmp_path)
    assert nncost.count(path).forward.cmp == 6
    nncost.lowers("onnx.Relu")(lambda call: call.builder.map("exp", call.tensor(0)))
    assert nncost.count(path).forward.exp == 6
    ONNX.forget("Relu")
    assert nncost.count(path).forward.cmp == 6


def test_a_rule_holds_from_its_opset_on(tmp_path: Path) -> None:
    nncost.lowers("onnx.ImageDecoder", since=13)(lambda call: call.tensor(0))
    assert nncost.count(saved(make_model([node("ImageDecoder", "x")], {"x": (2, 3)}, opset=12), tmp_path)).unknown
    assert not nncost.count(saved(make_model([node("ImageDecoder", "x")], {"x": (2, 3)}, opset=13), tmp_path)).unknown


@pytest.mark.parametrize(
    ("rule", "fragment"),
    [
        (lambda call: call.builder.reduce("sum", call.tensor(0), (0,)), "returned 4, the operator gives 2x4"),
        (lambda call: 3, "returned 3, the operator gives 2x4"),
        (lambda call: (call.tensor(0), call.tensor(0)), "returned 2x4, 2x4, the operator gives 2x4"),
        (lambda call: {}["y"], "raised KeyError: 'y'.\nIts arguments: operand 0, operand 1, shift."),
    ],
)
def test_a_wrong_rule_is_named(rule: Any, fragment: str, tmp_path: Path) -> None:
    nncost.lowers("onnx.com.example.Mystery")(rule)
    with pytest.raises(OptionError) as raised:
        nncost.count(mystery(tmp_path))
    assert f"the rule for com.example.Mystery {fragment}" in str(raised.value)


def test_a_rule_may_leave_a_call_unknown(tmp_path: Path) -> None:
    def rule(call: Any) -> Any:
        raise NotImplementedError

    nncost.lowers("onnx.com.example.Mystery")(rule)
    assert [entry["op"] for entry in nncost.count(mystery(tmp_path)).unknown] == ["com.example.Mystery"]


def test_one_rule_for_two_frameworks() -> None:
    rule = nncost.lowers("onnx.com.example.Mystery", "example::mystery")(scale_shift)
    assert ONNX.find("com.example.Mystery") is not None
    assert TORCH.find("example::mystery.default", "example::mystery") is not None
    TORCH.forget("example::mystery")
    assert rule is scale_shift


@pytest.mark.parametrize("name", ["Mystery", "onnx.", "a::b::c", "onnx.a::b", ""])
def test_names_say_their_framework(name: str) -> None:
    with pytest.raises(OptionError, match=r"namespace::operator or onnx\.Name"):
        nncost.lowers(name)


def test_opsets_are_for_onnx() -> None:
    with pytest.raises(OptionError, match="since= is an opset"):
        nncost.lowers("example::mystery", since=13)


def test_the_report_says_how_to_make_it_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from nncost.cli.main import run

    assert run(["count", mystery(tmp_path)]) == 3
    assert '@nncost.lowers("onnx.com.example.Mystery"): nncost docs own-operators' in " ".join(
        capsys.readouterr().out.split()
    )


def test_classes_of_an_output_of_unknown_shape(tmp_path: Path) -> None:
    model = make_model([helper.make_node("Mystery", ["x"], ["y"], domain="com.example")], {"x": (2, 3)})
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    with pytest.raises(ShapeError, match="needs an axis of classes, the network's output is of unknown shape"):
        nncost.count(saved(model, tmp_path), loss="cross_entropy")
    scalar = saved(make_model([node("ReduceSum", "x", keepdims=0)], {"x": (2, 3)}), tmp_path)
    with pytest.raises(ShapeError, match="the network's output is a single number"):
        nncost.count(scalar, loss="cross_entropy")


def test_the_output_of_an_unknown_operation_has_no_shape(tmp_path: Path) -> None:
    nodes = [helper.make_node("Mystery", ["x"], ["a"], domain="com.example"), node("MatMul", "a w")]
    model = make_model(nodes, {"x": (2, 3)}, constants={"w": weights(3, 4)})
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    (row,) = nncost.count(saved(model, tmp_path)).rows
    assert (row.op, row.output, row.parameters) == ("MatMul", None, 12)


def test_formulas_of_an_incomplete_count_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = mystery_between(tmp_path)
    assert run(["formula", path, "forward.macs"]) == 3
    assert "INCOMPLETE: 1 unknown operation is not in the totals: com.example.Mystery" in capsys.readouterr().out


def test_weights_in_the_order_of_a_kernel_are_unknown(tmp_path: Path) -> None:
    packed = {"w": np.zeros((4, 1, 8), np.uint8), "s": np.ones((4, 1), np.float32)}
    settings = {"K": 16, "N": 4, "bits": 4, "block_size": 16}
    for prepacked in (0, 1):
        matmul = helper.make_node("MatMulNBits", ["x", "w", "s"], ["y"], domain="com.microsoft", weight_prepacked=prepacked, **settings)  # fmt: skip
        report = nncost.count(saved(make_model([matmul], {"x": (2, 16)}, constants=packed), tmp_path))
        assert report.complete == (not prepacked)
