"""The derived gradient of every example that has one: what the sum of the outputs changes by along a random direction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nncost.counting.ledger import count_graph
from nncost.ir import ops
from nncost.ir.autodiff import differentiate
from nncost.ir.builder import Builder
from nncost.ir.execute import execute
from nncost.ir.graph import Graph
from tests.onnx.examples import algebra, indexing, pooling, regions, resizing
from tests.onnx.examples.example import Example
from tests.onnx.models import loaded

STEP = 1e-6
BY_DATA = {"Compress", "Unique", "MaxpoolWithMask"}
"""Operations whose size data decide, or whose masked outputs are numbers in which a sum is lost."""
EXAMPLES = [
    pytest.param(example, id=f"{number}-{example.name}")
    for number, example in enumerate(each for family in (algebra, indexing, pooling, regions, resizing) for each in family.EXAMPLES)
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES)
def test_gradients_are_differences(example: Example, tmp_path: Path) -> None:
    graph = loaded(example.model(), tmp_path).graph
    (y, *_), inputs = graph.outputs, [tensor for tensor in graph.inputs if "float" in tensor.dtype]
    chance = any(isinstance(node.op, ops.Random) for node in graph.nodes())
    if "float" not in y.dtype or not inputs or chance or not BY_DATA.isdisjoint(each.op_type for each in example.nodes):
        pytest.skip("its output is no function of real numbers, or has a size that data decide")
    b = Builder()
    b.inputs, b.parameters, b.items = list(graph.inputs), list(graph.parameters), list(graph.items)
    seed = b.emit(ops.Constant("fill", y.shape, y.dtype, 1.0))
    found, ran = differentiate(b, graph.items, [(y, seed)], dict.fromkeys(inputs, ""))
    b.items[: len(graph.items)] = ran
    whole = Graph(graph.inputs, graph.parameters, (y, *found.values()), tuple(b.items))
    if count_graph(whole).unknown:
        pytest.skip("its gradient is unknown, and told so")
    rng = np.random.default_rng(4)
    feeds = {
        tensor: rng.uniform(0.1, 0.9, tensor.shape) if "float" in tensor.dtype else rng.integers(0, 2, tensor.shape).astype(tensor.dtype)
        for tensor in (*graph.inputs, *(parameter.tensor for parameter in graph.parameters))
    }  # fmt: skip
    ways = {tensor: rng.normal(size=tensor.shape) for tensor in inputs}
    values = execute(whole, feeds)
    slope = sum(np.sum(values[found[tensor]] * ways[tensor]) for tensor in inputs if tensor in found)
    sums = [
        np.sum(
            execute(graph, feeds | {tensor: feeds[tensor] + step * ways[tensor] for tensor in inputs})[y], dtype=float
        )
        for step in (STEP, -STEP)
    ]
    np.testing.assert_allclose(slope, (sums[0] - sums[1]) / (2 * STEP), rtol=1e-5, atol=1e-6)
