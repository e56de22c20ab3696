"""Contractions of tensors with any number of leading axes."""

from __future__ import annotations

import string

from nncost.errors import ShapeError
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor

OWN_LETTERS = 2
"""How many letters, the last ones, are left to a contraction's own axes."""


def letters(count: int) -> str:
    """The index letters of ``count`` leading axes of a contraction, up to 24; ``y`` and ``z`` are never among them."""
    if count > len(string.ascii_lowercase) - OWN_LETTERS:
        raise ShapeError(f"a contraction takes up to 24 leading axes, received {count}")
    return string.ascii_lowercase[:count]


def matmul(b: Builder, left: Tensor, right: Tensor) -> Tensor:
    """``(…, I, J)·(…, J, K)`` gives ``(…, I, K)`` with the same leading axes: J mul, J−1 add per element."""
    batch = letters(left.rank - 2)
    return b.contract(f"{batch}xy,{batch}yz->{batch}xz", left, right)


def times_vector(b: Builder, x: Tensor, vector: Tensor) -> Tensor:
    """``(…, N)·(N,)`` gives ``(…)``: N mul, N−1 add per element."""
    rest = letters(x.rank - 1)
    return b.contract(f"{rest}y,y->{rest}", x, vector)


def dot_along(b: Builder, x: Tensor, y: Tensor, axis: int) -> Tensor:
    """Σ x·y along one axis of n of two tensors of one shape: n mul, n−1 add per element."""
    every = letters(x.rank)
    return b.contract(f"{every},{every}->{every.replace(every[axis], '')}", x, y)


def outer(b: Builder, left: Tensor, right: Tensor) -> Tensor:
    """``(N,)`` and ``(M,)`` give ``(N, M)``: 1 mul per element, no sum."""
    return b.map("mul", b.reshape(left, (left.shape[0], 1)), b.reshape(right, (1, right.shape[0])))
