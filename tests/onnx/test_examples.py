"""Every lowered operation: its outputs equal onnxruntime's, its counts equal what a counting run does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nncost
from nncost.frontends.lowering import ONNX
from nncost.frontends.onnx import lowerings  # noqa: F401 - registers the lowerings
from nncost.ir.training.step import training_step
from tests.onnx.examples import EXAMPLES, Example
from tests.onnx.models import assert_close, loaded, saved
from tests.proof.selfcount import assert_proven

NUMBERED = [pytest.param(example, id=f"{number}-{example.name}") for number, example in enumerate(EXAMPLES)]


@pytest.mark.parametrize("example", NUMBERED)
def test_outputs_equal_onnxruntime(example: Example, tmp_path: Path) -> None:
    proto = example.model()
    rng = np.random.default_rng(2)
    feeds = {
        name: rng.integers(0, 2, shape) if name.startswith("i") else rng.uniform(-1, 1, shape).astype(np.float32)
        for name, shape in example.inputs.items()
    }
    with np.errstate(invalid="ignore"):
        ours = nncost.run(saved(proto, tmp_path), feeds)
    assert list(ours) == [output.name for output in proto.graph.output]
    for left, right in zip(ours.values(), example.expected(feeds), strict=True):
        assert_close(left, right, 1e-5)


# What the counting scalar cannot do: round, stand alone in an array without axes, come from an integer.
NOT_PROVEN = {"Round()", "ReduceSum()", "MatMul((5,),(5,))", "PRelu(one)", "Cast(ints)"}


@pytest.mark.parametrize("example", NUMBERED)
def test_counts_are_proven(example: Example, tmp_path: Path) -> None:
    """Forward, and where the output is a number also backward from a gradient of ones."""
    if example.name in NOT_PROVEN:
        pytest.skip("the counting scalar cannot run it")
    graph = loaded(example.model(), tmp_path).graph
    assert_proven(graph)
    if "float" in graph.outputs[0].dtype:
        assert_proven(training_step(graph, loss="sum", optimizer="none").graph)


def test_every_lowering_has_an_example() -> None:
    shown = {f"{node.domain}.{node.op_type}".lstrip(".") for example in EXAMPLES for node in example.nodes}
    assert set(ONNX.ours) - shown == set()
