"""Dense layers: y = x·Wᵀ + b on the last axis."""

from __future__ import annotations

from nncost.dims import product
from nncost.errors import ShapeError
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Dense

_LETTERS = "abcdefghijklmnopqrstuvwx"


def letters(count: int) -> str:
    """Return index letters for ``count`` leading axes of a contraction; ``y`` and ``z`` are left to its own axes.

    Raise ShapeError for more than 24.
    """
    if not 0 <= count <= len(_LETTERS):
        raise ShapeError(f"a contraction takes up to {len(_LETTERS)} leading axes, received {count}")
    return _LETTERS[:count]


def dense(b: Builder, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``(…, N) → (…, M)`` with ``weight`` (M, N) and ``bias`` (M,).

    For one example: N·M mul and, with bias, N·M add (each of the M sums has N+1 terms).
    """
    batch = letters(x.rank - 1)
    inputs = (x, weight) if bias is None else (x, weight, bias)
    neurons = product((*x.shape[1:-1], weight.shape[0]))
    with b.region(Dense(), *inputs, neurons=neurons) as region:
        y = b.contract(f"{batch}y,zy->{batch}z", x, weight)
        if bias is not None:
            y = b.map("add", y, bias)
        region.returns(y)
    return y
