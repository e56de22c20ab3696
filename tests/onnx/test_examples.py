"""Every lowered operation: its outputs equal onnxruntime's, its counts equal what a counting run does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

import nncost
from nncost.frontends.lowering import ONNX
from nncost.frontends.onnx import lowerings  # noqa: F401 - registers the lowerings
from nncost.frontends.onnx.lowering import full_name
from nncost.ir import ops
from nncost.ir.training.step import training_step
from tests.onnx.examples import EXAMPLES, Example
from tests.onnx.models import assert_close, evaluated, loaded, reference, saved
from tests.proof.selfcount import assert_proven

NUMBERED = [pytest.param(example, id=f"{number}-{example.name}") for number, example in enumerate(EXAMPLES)]


@pytest.mark.parametrize("example", NUMBERED)
def test_outputs_equal_onnxruntime(example: Example, tmp_path: Path) -> None:
    proto = example.model()
    rng = np.random.default_rng(2)
    feeds = {name: _drawn(rng, example, name) for name in example.inputs}
    with np.errstate(invalid="ignore"):
        ours = nncost.run(saved(proto, tmp_path), feeds)
    assert list(ours) == [output.name for output in proto.graph.output]
    compute = reference if example.reference == "onnxruntime" else evaluated
    expected = compute(proto, feeds) if example.compute is None else example.compute(**feeds)
    for left, right in zip(ours.values(), expected, strict=True):
        assert left.dtype == right.dtype
        if example.reference == "shape":
            assert left.shape == right.shape
        else:
            assert_close(left, right, 1e-5)


def _drawn(rng: np.random.Generator, example: Example, name: str) -> np.ndarray:
    """Indices are 0 or 1, other numbers between −1 and 1."""
    shape, dtype = example.inputs[name], helper.tensor_dtype_to_np_dtype(example.types.get(name, TensorProto.FLOAT))
    if name.startswith("i") and name not in example.types:
        return rng.integers(0, 2, shape)
    return rng.integers(0, 2, shape).astype(dtype) if dtype.kind in "iub" else rng.uniform(-1, 1, shape).astype(dtype)


# What the counting scalar cannot do: round, stand alone in an array without axes, come from an integer.
NOT_PROVEN = {"Round()", "ReduceSum()", "MatMul((5,),(5,))", "PRelu(one)", "Cast(ints)"}


@pytest.mark.parametrize("example", NUMBERED)
def test_counts_are_proven(example: Example, tmp_path: Path) -> None:
    """Forward, and where the output is a number also backward from a gradient of ones."""
    if example.name in NOT_PROVEN:
        pytest.skip("the counting scalar cannot run it")
    graph = loaded(example.model(), tmp_path).graph
    if any(is_estimated(node.op) for node in graph.nodes()):
        pytest.skip("data decide how much it does; tests/onnx/test_closed_forms.py has its amounts by hand")
    assert_proven(graph)
    if "float" in graph.outputs[0].dtype:
        assert_proven(training_step(graph, loss="sum", optimizer="none").graph)


def is_estimated(op: ops.Op) -> bool:
    return isinstance(op, ops.Sort) or (isinstance(op, ops.Algorithm) and op.note == ops.ESTIMATED)


NOTHING_TO_SHOW = {"ai.onnx.ml.ZipMap"}
"""What is left unknown, with a reason."""


def test_every_lowering_has_an_example() -> None:
    shown = {full_name(node.domain, node.op_type) for example in EXAMPLES for node in example.nodes}
    assert set(ONNX.ours) - shown - NOTHING_TO_SHOW == set()
