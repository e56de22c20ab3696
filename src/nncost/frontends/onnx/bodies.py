"""Bodies of branches and loops that are translated apart, to be compared or run often."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from nncost.dims import Dim, product, substitute
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.tensors import Tensors
from nncost.frontends.onnx.values import Value
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Item, walk
from nncost.ir.shapes import summed_size

SAMPLE = 997
"""The size that stands for every symbol where the work of two branches is compared."""


def emitted_apart(call: Call, graph: Any, name: str) -> tuple[list[Item], list[Value]]:
    """The items and outputs of a body, which are not yet a part of the graph."""
    outer = call.walk.tensors
    b = Builder(dtype=outer.builder.dtype, training=outer.builder.training, path=outer.builder.path)
    with call.walk.emitting(Tensors(b, outer)):
        outputs = call.walk.run_graph(graph, [], name)
    return b.items, outputs


def heaviest(bodies: Mapping[str, Sequence[Item]]) -> str:
    """The name of the body with the most work: products of contractions, elements of everything else."""
    return max(bodies, key=lambda name: _work(bodies[name]))


def _work(items: Sequence[Item]) -> int:
    total = 0
    for node in walk(items):
        size = sum(_number(product(tensor.shape)) for tensor in node.outputs)
        if isinstance(node.op, ops.Contract):
            size *= 2 * _number(summed_size(node.op, node.inputs[0].shape))
        if isinstance(node.op, ops.Repeat):
            size += _number(node.op.times) * _work(node.op.body.items)
        total += 0 if isinstance(node.op, (ops.Constant, *ops.VIEWS)) else size
    return total


def _number(dim: Dim) -> int:
    free: Any = getattr(dim, "free_symbols", ())
    return int(substitute(dim, dict.fromkeys(free, SAMPLE))) if free else int(dim)


def trips_symbol(call: Call) -> Dim:
    """A symbol for the iterations of a loop whose end data decide, or the number that the caller binds it to."""
    name = re.sub(r"\W+", "_", call.builder.path).strip("_") + "_times"
    return call.walk.named_size(name)
