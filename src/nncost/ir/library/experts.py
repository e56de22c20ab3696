"""Mixtures of experts: each row meets the matrices of the few experts that a router chooses for it (Shazeer et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nncost.dims import Dim
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library.activations import softmax
from nncost.ir.library.ordering import top_k

Array = Any
Feed = Callable[[Tensor, Tensor], Tensor]
"""What the chosen experts do: rows (S, H), and the expert of each (S,), to rows (S, H)."""


def chosen_product(b: Builder, rows: Tensor, matrices: Tensor, bias: Tensor | None, expert: Tensor) -> Tensor:
    """``rows`` (S, K), ``matrices`` (E, N, K), ``bias`` (E, N), ``expert`` (S,): (S, N), as S rows of a dense layer."""
    outputs: Dim = rows.shape[0] * matrices.shape[1]
    terms: Dim = outputs * rows.shape[1]
    op = ops.Algorithm(
        "expert_product", (((rows.shape[0], matrices.shape[1]), rows.dtype),),
        {"mul": terms, "macs": terms, "add": terms - outputs}, run=_product,
    )  # fmt: skip
    y = b.emit(op, rows, matrices, expert)
    return y if bias is None else b.map("add", y, b.emit(ops.Gather(0), bias, expert))


def _product(rows: Array, matrices: Array, expert: Array) -> Array:
    return (matrices[expert] @ rows[..., None])[..., 0]


def mixture(b: Builder, x: Tensor, scores: Tensor, count: int, feed: Feed, *, normalised: bool) -> Tensor:
    """``x`` (S, H), ``scores`` (S, E): the sum of ``count`` experts' outputs, by their shares of a softmax of the scores.

    The softmax, the largest of each row (estimated), for each chosen expert what it does, 1 mul and, but for the first, 1
    add for each output; shares that are ``normalised`` anew take 1 div each and their sum.
    """
    with b.region(Operation("mixture"), x, scores) as region:
        shares, experts = top_k(b, softmax(b, scores), count, 1)
        if normalised:
            shares = b.map("div", shares, b.broadcast(b.reduce("sum", shares, [1], keep=True), shares.shape))
        rows, width = x.shape
        repeated = b.reshape(b.broadcast(b.unsqueeze(x, 1), (rows, count, width)), (rows * count, width))
        y = feed(repeated, b.reshape(experts, (rows * count,)))
        weighted = b.map("mul", b.reshape(y, (rows, count, y.shape[1])), b.unsqueeze(shares, 2))
        region.returns(b.reduce("sum", weighted, [1]))
    return region.outputs[0]
