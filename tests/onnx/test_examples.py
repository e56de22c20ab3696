"""Every lowered operation: its outputs equal onnxruntime's, its counts equal what a counting run does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

import nncost
from nncost.frontends.lowering import ONNX
from nncost.frontends.onnx import lowerings  # noqa: F401 - registers the lowerings
from nncost.frontends.onnx.lowering import full_name
from nncost.ir import ops
from nncost.ir.training.step import training_step
from tests.onnx.closed import is_closed
from tests.onnx.examples import EXAMPLES, Example, weights
from tests.onnx.examples.example import drawn, expected_of
from tests.onnx.models import assert_close, loaded, make_model, node, saved
from tests.proof.selfcount import assert_proven

NUMBERED = [pytest.param(example, id=f"{number}-{example.name}") for number, example in enumerate(EXAMPLES)]


@pytest.mark.parametrize("example", NUMBERED)
def test_outputs_equal_onnxruntime(example: Example, tmp_path: Path) -> None:
    proto = example.model()
    rng = np.random.default_rng(2)
    feeds = {name: drawn(rng, example, name) for name in example.inputs}
    with np.errstate(invalid="ignore"):
        ours = nncost.run(saved(proto, tmp_path), feeds)
    assert list(ours) == [output.name for output in proto.graph.output]
    expected = expected_of(example, feeds)
    for left, right in zip(ours.values(), expected, strict=True):
        assert left.dtype == right.dtype
        if example.reference == "shape":
            assert left.shape == right.shape
        else:
            assert_close(left, right, 1e-5)


# What the counting scalar cannot do: round, stand alone in an array without axes, come from an integer.
NOT_PROVEN = {"Round()", "ReduceSum()", "MatMul((5,),(5,))", "PRelu(one)", "Cast(ints)", "BitCast"}
WHOLE_PRODUCTS = {
    "MatMulInteger", "ConvInteger", "QLinearMatMul", "QLinearConv", "QGemm", "QGemm(floats)", "MatMulIntegerToFloat",
    "DynamicQuantizeMatMul", "DynamicQuantizeLSTM", "MatMulBnb4(nf4)", "MatMulBnb4(fp4)",
}  # fmt: skip
"""Products of whole numbers, which the counting scalar does not see; a test below counts them with floats."""


@pytest.mark.parametrize("example", NUMBERED)
def test_counts_are_proven(example: Example, tmp_path: Path) -> None:
    """Forward, and where the output is a number also backward from a gradient of ones."""
    if example.name in NOT_PROVEN | WHOLE_PRODUCTS:
        pytest.skip("the counting scalar cannot run it")
    graph = loaded(example.model(), tmp_path).graph
    if any(is_closed(node.op) or is_estimated(node.op) for node in graph.nodes()):
        pytest.skip("its amounts are a closed form; tests/onnx/test_closed_forms.py has them by hand")
    assert_proven(graph)
    if "float" in graph.outputs[0].dtype:
        assert_proven(training_step(graph, loss="sum", optimizer="none").graph)


@pytest.mark.parametrize(
    ("op", "operands", "x", "w"),
    [("MatMul", "x w", (2, 3), (3, 4)), ("Conv", "x w", (1, 2, 5, 4), (3, 2, 3, 2))],
)
def test_products_of_whole_numbers_are_those_of_floats(
    op: str, operands: str, x: tuple[int, ...], w: tuple[int, ...], tmp_path: Path
) -> None:
    floats = make_model([node(op, operands)], {"x": x}, constants={"w": weights(*w)})
    small = {"w": np.ones(w, dtype=np.int8)}
    wholes = make_model([node(f"{op}Integer", operands)], {"x": x}, constants=small, types={"x": TensorProto.INT8})
    twin, ours = (nncost.count(saved(model, tmp_path)) for model in (floats, wholes))
    assert (ours.forward.mul, ours.forward.add, ours.forward.macs, ours.parameters.total, ours.neurons) == (
        twin.forward.mul, twin.forward.add, twin.forward.macs, twin.parameters.total, twin.neurons,
    )  # fmt: skip
    assert ours.parameters.bytes * 4 == twin.parameters.bytes


UNKNOWN = {"ImageDecoder", "ai.onnx.ml.ZipMap"}
"""Operations that have a lowering to say why they are unknown."""


def is_estimated(op: ops.Op) -> bool:
    return isinstance(op, ops.Sort) or (isinstance(op, ops.Algorithm) and op.note == ops.ESTIMATED)


def test_every_lowering_has_an_example() -> None:
    shown = {full_name(node.domain, node.op_type) for example in EXAMPLES for node in example.nodes}
    assert set(ONNX.ours) - shown == UNKNOWN
