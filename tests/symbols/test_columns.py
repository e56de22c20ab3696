"""The same rules on NumPy columns: one call answers for many sizes at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from nncost.counting.rules import costs
from nncost.frontends.model import LoadOptions
from nncost.ir import ops
from nncost.ir.graph import Item, Node, Region, Tensor
from nncost.pipeline.count import count_source
from nncost.pipeline.settings import Settings

SPECS = [
    "{a}-{b}*4-{c}",
    "{a}x12x{b}, conv {c} 3x2 stride=2 pad=1, batchnorm, relu, maxpool 2 stride=1, conv_transpose {b} 3, global_avgpool",
    "{b}, embedding 50 {a}, [residual[layernorm, attention heads=1 causal], residual[dense {c}, gelu, dense {a}]]*3, dropout 0.5",
    "{a}x{b}, dense {b}, lstm {c} bidirectional, dense 2, softmax",
    "{a}x9x9, conv {b} 1, adaptive_avgpool 4, lrn 3, flatten, dense {c}",
]
POINTS = [
    {"a": 4, "b": 5, "c": 6},
    {"a": 5, "b": 5, "c": 7},
    {"a": 11, "b": 8, "c": 9},
    {"a": 10**12, "b": 10**11, "c": 10**13},
]


def nodes(items: Sequence[Item]) -> Iterator[Node]:
    for item in items:
        if isinstance(item, Region):
            yield from nodes(item.items)
        else:
            yield item
            if isinstance(item.op, ops.Repeat):
                yield from nodes(item.op.body.items)


def column(tensors: Sequence[Tensor]) -> Tensor:
    """One tensor whose sizes are columns: exact Python integers, which NumPy holds as objects."""
    shape = tuple(np.array(sizes, dtype=object) for sizes in zip(*(tensor.shape for tensor in tensors), strict=True))
    return Tensor(shape, tensors[0].dtype)


@pytest.mark.parametrize("spec", SPECS)
def test_rules_on_columns(spec: str) -> None:
    graphs = [count_source(spec.format(**point), Settings(load=LoadOptions(batch=2))).step.graph for point in POINTS]
    walks = [list(nodes(graph.items)) for graph in graphs]
    assert len({len(walk) for walk in walks}) == 1
    compared = 0
    for same in zip(*walks, strict=True):
        numbers = [list(costs(node.op, node.inputs, node.outputs)) for node in same]
        inputs = [column(tensors) for tensors in zip(*(node.inputs for node in same), strict=True)]
        outputs = [column(tensors) for tensors in zip(*(node.outputs for node in same), strict=True)]
        together = list(costs(same[0].op, inputs, outputs))
        assert [quantity for quantity, _ in together] == [quantity for quantity, _ in numbers[0]]
        for position, (_, amounts) in enumerate(together):
            expected = [row[position][1] for row in numbers]
            assert np.broadcast_to(amounts, len(POINTS)).tolist() == expected, same[0]
            compared += 1
    assert compared > 20


def test_sorting_on_columns() -> None:
    lengths = np.array([1, 2, 3, 1024, 1025, 2**70 + 1], dtype=object)
    tensor = Tensor((lengths,))
    ((quantity, amounts),) = costs(ops.Sort(0), [tensor], [tensor, Tensor((lengths,), "int64")])
    assert quantity == "cmp"
    assert amounts.tolist() == [0, 2, 6, 10240, 1025 * 11, (2**70 + 1) * 71]


def test_scan_and_reduce_on_int64_columns() -> None:
    rows, columns = np.array([2, 5, 10]), np.array([1, 7, 100])
    x, y = Tensor((rows, columns)), Tensor((rows,))
    assert [list(amounts) for _, amounts in costs(ops.Reduce("sum", (1,)), [x], [y])] == [[0, 30, 990]]
    assert [list(amounts) for _, amounts in costs(ops.Scan("prod", 0), [x], [x])] == [[1, 28, 900]]
