"""Dense layers: y = x·Wᵀ + b on the last axis."""

from __future__ import annotations

import string

from nncost.dims import product
from nncost.errors import ShapeError
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Dense


def dense(b: Builder, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``(…, N) → (…, M)`` with ``weight`` (M, N) and ``bias`` (M,).

    For one example: N·M mul and, with bias, N·M add (each of the M sums has N+1 terms).
    """
    if x.rank < 1 or x.rank > len(string.ascii_lowercase) - 2:
        raise ShapeError(f"a dense layer takes 1 to 24 axes, received {x.rank}")
    batch = string.ascii_lowercase[: x.rank - 1]
    inputs = (x, weight) if bias is None else (x, weight, bias)
    neurons = product((*x.shape[1:-1], weight.shape[0]))
    with b.region(Dense(), *inputs, neurons=neurons) as region:
        y = b.contract(f"{batch}y,zy->{batch}z", x, weight)
        if bias is not None:
            y = b.map("add", y, bias)
        region.returns(y)
    return y
