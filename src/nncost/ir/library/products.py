"""Contractions of tensors with any number of leading axes."""

from __future__ import annotations

from nncost.dims import Shape, product
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import MatMul
from nncost.ir.library.dense import letters


def matmul(b: Builder, left: Tensor, right: Tensor) -> Tensor:
    """``(…, I, J)·(…, J, K)`` gives ``(…, I, K)`` with the same leading axes: J mul, J−1 add per element."""
    batch = letters(left.rank - 2)
    return b.contract(f"{batch}xy,{batch}yz->{batch}xz", left, right)


def gemm(
    b: Builder, x: Tensor, weight: Tensor, addend: Tensor | None = None,
    *, alpha: float = 1.0, beta: float = 1.0, learned: bool = False,
) -> Tensor:  # fmt: skip
    """``α·x·weightᵀ + β·addend`` of x (I, J) and weight (K, J); factors of one are free.

    A ``learned`` weight makes a dense layer, whose K outputs are neurons.
    """
    inputs = (x, weight) if addend is None else (x, weight, addend)
    with b.region(MatMul(learned), *inputs, neurons=weight.shape[0] if learned else 0) as region:
        y = b.contract("xy,zy->xz", x, weight)
        y = y if alpha == 1 else b.map("mul", alpha, y)
        if addend is not None:
            y = b.map("add", y, addend if beta == 1 else b.map("mul", beta, addend))
        region.returns(y)
    return y


def stacked_matmul(b: Builder, left: Tensor, right: Tensor, batch: Shape, *, learned: bool = False) -> Tensor:
    """``(…, I, J)·(…, J, K)`` with the leading axes ``batch`` that both broadcast to; no axis is made of a vector.

    Two stacks of one matrix each are a single product. A ``learned`` operand makes a dense layer.
    """
    rows, columns = left.shape[-2:-1], right.shape[-1:] if right.rank > 1 else ()
    shape = (*batch, *rows, *columns)
    with b.region(MatMul(learned), left, right, neurons=product(shape[1:]) if learned else 0) as region:
        x = b.unsqueeze(left, 0) if left.rank == 1 else left
        y = b.unsqueeze(right, 1) if right.rank == 1 else right
        x, over = _stacked(b, x, batch)
        y, under = _stacked(b, y, batch)
        region.returns(b.reshape(b.contract(f"{over}xy,{under}yz->{over or under}xz", x, y), shape))
    return region.outputs[0]


def _stacked(b: Builder, x: Tensor, batch: Shape) -> tuple[Tensor, str]:
    """A stack of matrices repeated to the common batch, and the letters of its axes; none if there is one matrix only."""
    if all(dim == 1 for dim in x.shape[:-2]):
        return b.reshape(x, x.shape[-2:]), ""
    return b.broadcast(x, (*batch, *x.shape[-2:])), letters(len(batch))


def matvec(b: Builder, x: Tensor, vector: Tensor) -> Tensor:
    """``(…, N)·(N,)`` gives ``(…)``: N mul, N−1 add per element."""
    rest = letters(x.rank - 1)
    return b.contract(f"{rest}y,y->{rest}", x, vector)


def vecdot(b: Builder, x: Tensor, y: Tensor, axis: int) -> Tensor:
    """Σ x·y along one axis of n of two tensors of one shape: n mul, n−1 add per element."""
    every = letters(x.rank)
    return b.contract(f"{every},{every}->{every.replace(every[axis], '')}", x, y)


def outer(b: Builder, left: Tensor, right: Tensor) -> Tensor:
    """``(N,)`` and ``(M,)`` give ``(N, M)``: 1 mul per element, no sum."""
    return b.map("mul", b.unsqueeze(left, 1), b.unsqueeze(right, 0))
