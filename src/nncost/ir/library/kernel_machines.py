"""Support vector machines: kernels between examples and support vectors, and sums of them (Cortes and Vapnik 1995)."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library.dense import dense
from nncost.ir.library.elementwise import power

KERNELS = ("LINEAR", "POLY", "RBF", "SIGMOID")


def kernel(b: Builder, x: Tensor, vectors: Tensor, name: str, gamma: float, offset: float, degree: float) -> Tensor:
    """``x`` (B, F) and ``vectors`` (V, F): (B, V).

    F products each, then γ·p + c for a polynomial or tanh of it, 1 mul and 1 add; RBF instead takes F add, F mul and F−1
    add for the distance, then 1 mul and 1 exp.
    """
    if name == "LINEAR":
        return dense(b, x, vectors)
    with b.region(Operation(f"{name.lower()}_kernel"), x, vectors) as region:
        if name == "RBF":
            apart = b.map("sub", b.unsqueeze(x, 1), b.unsqueeze(vectors, 0))
            distance = b.reduce("sum", b.map("square", apart), [2])
            y = b.map("exp", b.map("mul", distance, -gamma))
        else:
            inner = b.map("add", b.map("mul", b.contract("bf,vf->bv", x, vectors), gamma), offset)
            y = b.map("tanh", inner) if name == "SIGMOID" else power(b, inner, degree)
        region.returns(y)
    return region.outputs[0]


def pairwise_scores(
    b: Builder, kernels: Tensor, coefficients: Sequence[Tensor], offsets: Tensor, counts: Sequence[int]
) -> Tensor:
    """``kernels`` (B, V) of vectors grouped by class, of which there are ``counts``: a score for each pair of classes.

    Each of the C−1 rows of coefficients (V,) is for one opponent of a class; a pair of classes with n vectors takes n mul
    and n add.
    """
    parts = b.split(kernels, tuple(counts), 1)
    rows = [b.split(row, tuple(counts), 0) for row in coefficients]
    found = []
    with b.region(Operation("one_against_one"), kernels, *coefficients, offsets) as region:
        for i in range(len(counts)):
            for j in range(i + 1, len(counts)):
                both = b.concat([parts[i], parts[j]], 1)
                weights = b.concat([rows[j - 1][i], rows[i][j]], 0)
                found.append(b.contract("bv,kv->bk", both, b.unsqueeze(weights, 0)))
        region.returns(b.map("add", b.concat(found, 1), offsets))
    return region.outputs[0]


def votes(b: Builder, scores: Tensor, classes: int) -> Tensor:
    """How many duels (B, pairs) each class wins: (B, classes); 1 cmp for each duel, C−2 add for each class."""
    won = b.map("where_positive", scores, b.broadcast(b.constant(1.0), scores.shape), 0.0)
    lost = b.map("sub", 1.0, won)
    pairs = [(i, j) for i in range(classes) for j in range(i + 1, classes)]
    columns = [b.split(side, (1,) * len(pairs), 1) for side in (won, lost)]
    of_class = []
    for which in range(classes):
        duels = [columns[pair.index(which)][n] for n, pair in enumerate(pairs) if which in pair]
        of_class.append(b.reduce("sum", b.concat(duels, 1), [1], keep=True))
    return b.concat(of_class, 1)
