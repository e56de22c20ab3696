"""Distances between rows: sums over differences, no contraction."""

from __future__ import annotations

import numpy as np

from nncost.dims import Dim
from nncost.frontends.torch.lowerings.gradient import gradient
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor


def _distance(b: Builder, difference: Tensor, p: float) -> Tensor:
    """The norm of order p along the last axis; p = 0, 1, 2 and ∞ without powers."""
    last = [difference.rank - 1]
    if p == 2:
        return b.map("sqrt", b.reduce("sum", b.map("square", difference), last))
    if p == 0:
        kind = difference.dtype
        return b.reduce("sum", b.emit(ops.Cast(kind), b.map("not_equal", difference, 0.0)), last)
    size = b.map("abs", difference)
    if p == 1:
        return b.reduce("sum", size, last)
    if p == float("inf"):
        return b.reduce("max", size, last)
    return b.map("pow", b.reduce("sum", b.map("pow", size, p), last), 1 / p)


def _between(b: Builder, x: Tensor, y: Tensor, p: float) -> Tensor:
    """Every row of ``x`` with every row of ``y``."""
    rows = b.reshape(x, (*x.shape[:-1], 1, x.shape[-1]))
    columns = b.reshape(y, (*y.shape[:-2], 1, *y.shape[-2:]))
    return _distance(b, b.map("sub", rows, columns), p)


@lowers("aten::_cdist_forward")
def _cdist(call: Call) -> Tensor:
    b = call.builder
    return b.reshape(_between(b, call.tensor("x1"), call.tensor("x2"), float(call["p"])), call.outputs[0][0])


@lowers("aten::_cdist_backward")
def _cdist_backward(call: Call) -> Lowered:
    p, x, y, g = float(call["p"]), call.tensor("x1"), call.tensor("x2"), call.tensor("grad")
    return gradient(
        call.builder, lambda b, x, y: _between(b, x, y, p), (x, y), g, (True, False), results=(call.tensor("cdist"),)
    )[0]


def _pairs(b: Builder, x: Tensor, p: float) -> Tensor:
    """Every pair of rows once."""
    rows = x.shape[0]
    assert isinstance(rows, int)
    count: Dim = rows * (rows - 1) // 2
    both = [
        b.emit(
            ops.Gather(0),
            x,
            b.emit(ops.Constant("array", (count,), "int64", lambda side=side: np.triu_indices(rows, 1)[side])),
        )
        for side in (0, 1)
    ]
    return _distance(b, b.map("sub", *both), p)


@lowers("aten::_pdist_forward")
def _pdist(call: Call) -> Tensor:
    return _pairs(call.builder, call.tensor("self"), float(call.get("p", 2.0)))


@lowers("aten::_pdist_backward")
def _pdist_backward(call: Call) -> Lowered:
    p, given = float(call["p"]), (call.tensor("pdist"),)
    return gradient(
        call.builder, lambda b, x: _pairs(b, x, p), (call.tensor("self"),), call.tensor("grad"), (True,), results=given
    )[0]
