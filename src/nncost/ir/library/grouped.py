"""Grouped products: rows sorted by group, each multiplied by the matrix of its group (mixtures of experts).

Which row belongs to which group is data. Products do not depend on it; for the sums over the rows of
a group and the matrices that are read, the rows are shared among the groups as evenly as may be; of a
symbolic number of rows each group has its share, and so at least one.
"""

from __future__ import annotations

from collections.abc import Sequence

from nncost.dims import Dim, exact_divide, is_symbolic
from nncost.errors import SymbolError
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor


def rows_by_group(b: Builder, rows: Tensor, matrices: Tensor, *, transposed: bool = False) -> Tensor:
    """``(S, K)`` by ``(E, K, N)`` is ``(S, N)``: each row meets one matrix, S·K·N mul and S·N·(K−1) add.

    ``transposed`` matrices are ``(E, N, K)``. Raise SymbolError if E is a symbol.
    """
    spec = "esk,enk->esn" if transposed else "esk,ekn->esn"
    parts = _parts(rows.shape[0], matrices.shape[0])
    pieces = b.split(rows, [groups * each for groups, each in parts], 0)
    products = []
    for (groups, each), piece, chosen in zip(parts, pieces, _chosen(b, matrices, parts), strict=True):
        y = b.contract(spec, b.reshape(piece, (groups, each, rows.shape[1])), chosen)
        products.append(b.reshape(y, (groups * each, y.shape[2])))
    return b.concat(products, 0)


def sums_by_group(b: Builder, left: Tensor, right: Tensor, groups: Dim) -> Tensor:
    """``(S, K)`` and ``(S, N)`` give ``(E, K, N)``: one outer product per row, added within its group.

    A group without rows gets zeros. Raise SymbolError if E is a symbol.
    """
    parts = _parts(left.shape[0], groups)
    pieces = [b.split(x, [count * each for count, each in parts], 0) for x in (left, right)]
    sums = [
        b.contract("esk,esn->ekn", *(b.reshape(x, (count, each, x.shape[1])) for x in pair))
        for (count, each), *pair in zip(parts, *pieces, strict=True)
    ]
    total, empty = b.concat(sums, 0), groups - sum(count for count, _ in parts)
    return b.pad(total, 0, 0, empty) if empty else total


def _parts(rows: Dim, groups: Dim) -> list[tuple[int, Dim]]:
    """How many groups have how many rows: at most two kinds, one row apart; empty groups are left out."""
    if not isinstance(groups, int):
        raise SymbolError("rows are shared among a number of groups only.", hint="Bind it with --symbol.")
    if is_symbolic(rows):
        return [(groups, exact_divide(rows, groups))]
    each, larger = divmod(rows, groups)
    return [(count, size) for count, size in ((larger, each + 1), (groups - larger, each)) if count * size]


def _chosen(b: Builder, matrices: Tensor, parts: Sequence[tuple[int, Dim]]) -> tuple[Tensor, ...]:
    """The matrices of the groups that are not empty."""
    sizes = [groups for groups, _ in parts]
    empty = matrices.shape[0] - sum(sizes)
    return b.split(matrices, [*sizes, empty] if empty else sizes, 0)[: len(sizes)]
