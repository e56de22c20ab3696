"""Bags of embeddings: rows taken, then added, averaged or compared.

How many rows a bag holds is data. No bag is taken to be empty; equal bags are written out, and of
unequal ones only the amounts are known.
"""

from __future__ import annotations

from nncost.dims import Dim, is_symbolic
from nncost.frontends.torch.lowerings.operands import algorithm
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor

SUM, MEAN, MAX = 0, 1, 2
"""PyTorch's numbers for ``mode``."""


@lowers("aten::_embedding_bag", "aten::_embedding_bag_forward_only")
def _bag(call: Call) -> Lowered:
    """For N rows of D in B bags: (N−B)·D add or cmp, for means B·D div, with weights N·D mul."""
    b, table, indices = call.builder, call.tensor("weight"), call.tensor("indices")
    bags = call.outputs[0][0][0]
    others = (None,) * (len(call.outputs) - 1)
    weights, mode = call.get("per_sample_weights"), call.get("mode", SUM)
    rows = indices.shape[0]
    if is_symbolic(rows) or is_symbolic(bags) or rows % bags:
        return (_unequal(call, rows, bags, table.shape[1], mode), *others)
    taken = b.emit(ops.Gather(0), table, indices)
    if weights is not None:
        taken = b.map("mul", taken, b.reshape(weights, (rows, 1)))
    bagged = b.reshape(taken, (bags, rows // bags, table.shape[1]))
    return (_reduced(b, bagged, mode), *others)


def _reduced(b: Builder, bagged: Tensor, mode: int) -> Tensor:
    if mode == MEAN:
        return b.mean(bagged, [1])
    return b.reduce("sum" if mode == SUM else "max", bagged, [1])


def _unequal(call: Call, rows: Dim, bags: Dim, width: Dim, mode: int) -> Tensor:
    counts: dict[str, Dim] = {"cmp" if mode == MAX else "add": (rows - bags) * width}
    if mode == MEAN:
        counts["div"] = bags * width
    if call.get("per_sample_weights") is not None:
        counts["mul"] = rows * width
    return algorithm(call, counts, reads=[call.tensor("indices")])[0]


@lowers("aten::_embedding_bag_backward", "aten::_embedding_bag_dense_backward", "aten::_embedding_bag_sparse_backward")
def _bag_backward(call: Call) -> Tensor:
    """The gradient of each bag, divided for means, goes to its rows (times their weights): one add for each value."""
    b, g, indices = call.builder, call.tensor("grad"), call.tensor("indices")
    mode, rows, bags, width = call.get("mode", SUM), indices.shape[0], g.shape[0], g.shape[1]
    weights = call.get("per_sample_weights")
    if mode == MAX or is_symbolic(rows) or is_symbolic(bags) or rows % bags:
        counts: dict[str, Dim] = {"add": (bags if mode == MAX else rows) * width}
        if mode == MEAN:
            counts["div"] = bags * width
        if weights is not None:
            counts["mul"] = rows * width
        return algorithm(call, counts)[0]
    each = rows // bags
    if mode == MEAN:
        g = b.map("div", g, float(each))
    spread = b.reshape(b.broadcast(b.reshape(g, (bags, 1, width)), (bags, each, width)), (rows, width))
    if weights is not None:
        spread = b.map("mul", spread, b.reshape(weights, (rows, 1)))
    return b.emit(ops.Scatter(0, call["num_weights"]), spread, indices)


@lowers("aten::_embedding_bag_per_sample_weights_backward")
def _bag_weights_backward(call: Call) -> Tensor:
    """Of each weight: the bag's gradient times the row, summed: D mul and D−1 add."""
    b, g, indices = call.builder, call.tensor("grad"), call.tensor("indices")
    bag = call["offset2bag"]
    taken = b.emit(ops.Gather(0), call.tensor("weight"), indices)
    spread = b.emit(ops.Gather(0), g, bag)
    return b.reduce("sum", b.map("mul", taken, spread), [1])


@lowers("aten::embedding_renorm")
def _renormed(call: Call) -> Tensor:
    """Of each row looked up a norm (D mul, D−1 add, 1 sqrt), 1 cmp, and where it is too long D mul and 1 div: all counted."""
    rows, width = call.tensor("indices").elements, call.tensor("self").shape[1]
    counts = {"mul": 2 * rows * width, "add": rows * (width - 1), "sqrt": rows, "cmp": rows, "div": rows}
    return algorithm(call, counts, estimated=True)[0]
