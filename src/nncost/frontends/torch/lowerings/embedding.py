"""Embeddings and bags of them."""

from __future__ import annotations

from nncost.dims import is_symbolic
from nncost.frontends.torch.lowerings.gradient import Forward, composite_gradient, like
from nncost.frontends.torch.lowerings.operands import algorithm
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.library import embedding_bag as library

MODES: tuple[library.Mode, ...] = ("sum", "mean", "max")
"""By PyTorch's numbers."""


@lowers("aten::embedding")
def _embedding(call: Call) -> Tensor:
    """Rows of the table: no arithmetic."""
    return call.builder.emit(ops.Gather(0), call.tensor("weight"), call.tensor("indices"))


@lowers("aten::embedding_dense_backward")
def _embedding_backward(call: Call) -> Tensor:
    """Each row's gradient is added to the table's: one add per value."""
    g, indices = call.tensor("grad_output"), call.tensor("indices")
    return call.builder.emit(ops.Scatter(0, call["num_weights"]), g, indices)


def _mode(call: Call) -> library.Mode:
    return MODES[int(call.get("mode", 0))]


def _equal(rows: object, bags: object) -> bool:
    return not (is_symbolic(rows) or is_symbolic(bags)) and rows % bags == 0  # type: ignore[operator]


@lowers("aten::_embedding_bag", "aten::_embedding_bag_forward_only")
def _bag(call: Call) -> Lowered:
    table, indices, weights = call.tensor("weight"), call.tensor("indices"), call.get("per_sample_weights")
    rows, bags, others = indices.shape[0], call.shape[0], (None,) * (len(call.outputs) - 1)
    if _equal(rows, bags):
        return (library.equal_bags(call.builder, table, indices, bags, _mode(call), weights), *others)
    counts = library.bag_counts(rows, bags, table.shape[1], _mode(call), weighted=weights is not None)
    return (algorithm(call, counts, reads=[indices])[0], *others)


def _bags_of(call: Call) -> Forward:
    indices, bags = call.tensor("indices"), call.tensor("grad").shape[0]
    weights = call.get("per_sample_weights")
    return lambda b, table: library.equal_bags(b, table, indices, bags, _mode(call), weights)


_TABLE = like(lambda call: (call["num_weights"], call.tensor("grad").shape[1]))


@lowers("aten::_embedding_bag_backward", "aten::_embedding_bag_dense_backward", "aten::_embedding_bag_sparse_backward")
def _bag_backward(call: Call) -> Lowered:
    rows, (bags, width), mode = call.tensor("indices").shape[0], call.tensor("grad").shape, _mode(call)
    if mode != "max" and _equal(rows, bags):
        return composite_gradient(_bags_of, _TABLE)(call)
    weighted = call.get("per_sample_weights") is not None
    return algorithm(call, library.bag_gradient_counts(rows, bags, width, mode, weighted=weighted))


@lowers("aten::_embedding_bag_per_sample_weights_backward")
def _bag_weights_backward(call: Call) -> Tensor:
    """Of each weight: the bag's gradient times the row, summed: D mul and D−1 add."""
    b = call.builder
    taken = b.emit(ops.Gather(0), call.tensor("weight"), call.tensor("indices"))
    spread = b.emit(ops.Gather(0), call.tensor("grad"), call.tensor("offset2bag"))
    return b.reduce("sum", b.map("mul", taken, spread), [1])


@lowers("aten::embedding_renorm")
def _renormed(call: Call) -> Lowered:
    """Of each row looked up a norm (D mul, D−1 add, 1 sqrt), 1 cmp, and where it is too long D mul and 1 div: all counted."""
    rows, width = call.tensor("indices").elements, call.tensor("self").shape[1]
    counts = {"mul": 2 * rows * width, "add": rows * (width - 1), "sqrt": rows, "cmp": rows, "div": rows}
    return algorithm(call, counts, estimated=True)
