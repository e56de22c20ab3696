"""Dense layers: y = x·Wᵀ + b on the last axis."""

from __future__ import annotations

import string

from nncost.dims import product
from nncost.errors import ShapeError
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor


def dense(b: Builder, x: Tensor, weight: Tensor, bias: Tensor | None = None, *, name: str = "dense") -> Tensor:
    """``(…, N) → (…, M)`` with ``weight`` (M, N) and ``bias`` (M,).

    For one example: N·M mul and, with bias, N·M add (each of the M sums has N+1 terms).
    """
    if x.rank < 1 or x.rank > len(string.ascii_lowercase) - 2:
        raise ShapeError(f"a dense layer takes 1 to 24 axes, received {x.rank}")
    batch = string.ascii_lowercase[: x.rank - 1]
    width_out, width_in = weight.shape
    inputs = (x, weight) if bias is None else (x, weight, bias)
    neurons = product((*x.shape[1:-1], width_out))
    sizes = (("N", width_in), ("M", width_out), ("P", product(x.shape[:-1])), ("bias", bias is not None))
    with b.region(name, *inputs, neurons=neurons, sizes=sizes) as region:
        y = b.contract(f"{batch}y,zy->{batch}z", x, weight)
        if bias is not None:
            y = b.map("add", y, bias)
        region.returns(y)
    return y
