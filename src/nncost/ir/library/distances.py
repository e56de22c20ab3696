"""Distances between rows: sums over differences, no contraction."""

from __future__ import annotations

import math
from typing import cast

import numpy as np

from nncost.dims import Dim
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library.reductions import vector_norm


def distance(b: Builder, difference: Tensor, p: float) -> Tensor:
    """The norm of order p along the last axis, (Σ|d|^p)^(1/p); p = 0, 1, 2 and ∞ take no powers, any other only powers."""
    last = [difference.rank - 1]
    if p in (0, 1, 2, math.inf):
        return vector_norm(b, difference, p, last)
    return b.map("pow", b.reduce("sum", b.map("pow", b.map("abs", difference), p), last), 1 / p)


def distances_between(b: Builder, x: Tensor, y: Tensor, p: float) -> Tensor:
    """``(…, N, D)`` and ``(…, M, D)`` give ``(…, N, M)``: every row of ``x`` with every row of ``y``, N·M·D add and the norms."""
    return distance(b, b.map("sub", b.unsqueeze(x, x.rank - 1), b.unsqueeze(y, y.rank - 2)), p)


def distances_within(b: Builder, x: Tensor, p: float) -> Tensor:
    """``(N, D)`` gives ``(N·(N−1)/2,)``: every pair of rows once."""
    rows = cast("int", x.shape[0])
    count: Dim = rows * (rows - 1) // 2
    sides = [
        ops.Constant("array", (count,), "int64", lambda side=side: np.triu_indices(rows, 1)[side]) for side in (0, 1)
    ]
    return distance(b, b.map("sub", *(b.emit(ops.Gather(0), x, b.emit(side)) for side in sides)), p)
