"""Bags of embeddings: rows taken, then added, averaged or compared.

How many rows a bag holds is data. No bag is taken to be empty; equal bags are written out, and of
unequal ones only the amounts are known.
"""

from __future__ import annotations

from typing import Literal

from nncost.dims import Dim
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor

Mode = Literal["sum", "mean", "max"]


def equal_bags(
    b: Builder, table: Tensor, indices: Tensor, bags: int, mode: Mode, weights: Tensor | None = None
) -> Tensor:
    """``table`` (V, D), ``indices`` and ``weights`` (N,) give (bags, D) of N/bags rows each.

    (N−B)·D add or cmp, for means B·D div, with weights N·D mul.
    """
    rows, width = indices.shape[0], table.shape[1]
    taken = b.emit(ops.Gather(0), table, indices)
    if weights is not None:
        taken = b.map("mul", taken, b.reshape(weights, (rows, 1)))
    bagged = b.reshape(taken, (bags, rows // bags, width))
    return b.mean(bagged, [1]) if mode == "mean" else b.reduce(mode, bagged, [1])


def bag_counts(rows: Dim, bags: Dim, width: Dim, mode: Mode, *, weighted: bool) -> dict[str, Dim]:
    """The amounts of bags of unequal lengths."""
    return {
        "cmp" if mode == "max" else "add": (rows - bags) * width,
        "div": bags * width if mode == "mean" else 0,
        "mul": rows * width if weighted else 0,
    }


def bag_gradient_counts(rows: Dim, bags: Dim, width: Dim, mode: Mode, *, weighted: bool) -> dict[str, Dim]:
    """Each bag's gradient, divided for means, is added to its rows (times their weights), or to the largest element."""
    return {
        "add": (bags if mode == "max" else rows) * width,
        "div": bags * width if mode == "mean" else 0,
        "mul": rows * width if weighted else 0,
    }
