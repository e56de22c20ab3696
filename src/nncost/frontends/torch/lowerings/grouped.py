"""Grouped products: rows sorted by group, each multiplied by the matrix of its group (mixtures of experts).

Which row belongs to which group is data. Products do not depend on it; for the sums over the rows of
a group and the matrices that are read, the rows are shared among the groups as evenly as may be.
"""

from __future__ import annotations

from collections.abc import Sequence

from nncost.dims import is_symbolic
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor


@lowers("transformers::grouped_mm_fallback")
def _grouped(call: Call) -> Tensor:
    """``(S, K)`` by ``(E, K, N)`` is ``(S, N)``: each row meets one matrix, S·K·N products."""
    return _rows(call.builder, "esk,ekn->esn", call.tensor("input"), call.tensor("weight"))


@lowers("transformers::grouped_mm_fallback_backward")
def _grouped_backward(call: Call) -> Lowered:
    """Of the rows: each gradient by its matrix, turned. Of the matrices: sums over the rows of each group."""
    b, weight, g = call.builder, call.tensor("weight"), call.tensor("grad_output")
    return _rows(b, "esn,ekn->esk", g, weight), _sums(b, call.tensor("input"), g, weight.shape[0])


@lowers("aten::_grouped_mm")
def _grouped_mm(call: Call) -> Tensor:
    """``(S, K)`` by ``(E, K, N)``, or ``(K, S)`` by ``(S, N)`` for ``(E, K, N)``, the gradient of the matrices."""
    b, left, right = call.builder, call.tensor("self"), call.tensor("mat2")
    if (left.rank, right.rank) == (2, 3):
        return _rows(b, "esk,ekn->esn", left, right)
    if (left.rank, right.rank) == (2, 2):
        return _sums(b, b.transpose(left, (1, 0)), right, call.outputs[0][0][0])
    raise NotImplementedError


def _rows(b: Builder, spec: str, rows: Tensor, matrices: Tensor) -> Tensor:
    """Every row by the matrix of its group."""
    parts = _parts(rows.shape[0], matrices.shape[0])
    cut = _split(b, rows, [groups * each for groups, each in parts])
    products = [
        _flat(b, b.contract(spec, b.reshape(piece, (groups, each, rows.shape[1])), chosen))
        for (groups, each), piece, chosen in zip(parts, cut, _chosen(b, matrices, parts), strict=True)
    ]
    return products[0] if len(products) == 1 else b.emit(ops.Concat(0), *products)


def _sums(b: Builder, left: Tensor, right: Tensor, matrices: object) -> Tensor:
    """One outer product for each row, added within its group."""
    parts = _parts(left.shape[0], matrices)
    cuts = [_split(b, x, [groups * each for groups, each in parts]) for x in (left, right)]
    sums = [
        b.contract("esk,esn->ekn", *(b.reshape(x, (groups, each, x.shape[1])) for x in pair))
        for (groups, each), *pair in zip(parts, *cuts, strict=True)
    ]
    total = sums[0] if len(sums) == 1 else b.emit(ops.Concat(0), *sums)
    empty = matrices - sum(groups for groups, _ in parts) if isinstance(matrices, int) else 0
    return b.emit(ops.Pad((0, 0, 0), (empty, 0, 0)), total) if empty else total


def _parts(rows: object, matrices: object) -> list[tuple[int, int]]:
    """How many groups have how many rows: at most two kinds, one row apart; empty groups are left out."""
    if is_symbolic(rows) or is_symbolic(matrices):
        raise NotImplementedError
    assert isinstance(rows, int)
    assert isinstance(matrices, int)
    each, larger = divmod(rows, matrices)
    return [(groups, size) for groups, size in ((larger, each + 1), (matrices - larger, each)) if groups * size]


def _chosen(b: Builder, matrices: Tensor, parts: Sequence[tuple[int, int]]) -> list[Tensor]:
    """The matrices of the groups that are not empty."""
    sizes = [groups for groups, _ in parts]
    empty = int(matrices.shape[0]) - sum(sizes)
    return _split(b, matrices, [*sizes, empty] if empty else sizes)[: len(sizes)]


def _split(b: Builder, x: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    return [x] if len(sizes) == 1 else list(b.emit_many(ops.Split(0, tuple(sizes)), x))


def _flat(b: Builder, x: Tensor) -> Tensor:
    return b.reshape(x, (x.shape[0] * x.shape[1], x.shape[2]))
