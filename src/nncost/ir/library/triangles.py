"""Upper and lower triangles of matrices."""

from __future__ import annotations

import numpy as np

from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.numpy_calls import integers


def triangle(b: Builder, x: Tensor, shift: int = 0, *, upper: bool) -> Tensor:
    """The elements of ``x`` (…, N, M) on and above (or below) the diagonal ``shift`` above the main one, zero elsewhere.

    Which elements stay is known before the model runs: a selection by a constant mask, 1 cmp each.
    """

    def kept() -> object:
        rows, columns = integers(x.shape[-2:])
        lower = np.tri(rows, columns, shift - 1 if upper else shift, dtype=bool)
        return ~lower if upper else lower

    mask = b.broadcast(b.emit(ops.Constant("array", x.shape[-2:], "bool", kept)), x.shape)
    return b.map("select", mask, x, b.full((), 0.0, x.dtype))
