"""Products whose left operand is brought to eight bits while the layer runs, in the range it has.

Each range of n elements takes 2(n−1) cmp to find, and 1 add, 2 div and 4 cmp for its step and zero point; each
element 1 div, 1 add and 2 cmp; each sum of products 1 mul by both steps.
"""

from __future__ import annotations

from nncost.dims import Dim
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor

OF_A_RANGE = {"add": 1, "div": 2, "cmp": 4}


def quantization_work(b: Builder, x: Tensor, elements: Dim, ranges: Dim, sums: Dim) -> Tensor:
    """``x`` itself, after which so many elements in so many ranges have become small, and so many sums large again."""
    counts = {
        "mul": sums,
        "add": elements + OF_A_RANGE["add"] * ranges,
        "div": elements + OF_A_RANGE["div"] * ranges,
        "cmp": 2 * elements + 2 * (elements - ranges) + OF_A_RANGE["cmp"] * ranges,
    }
    return b.emit(ops.Algorithm("dynamic_quantize", ((x.shape, x.dtype),), counts, run=lambda a: a), x)


def unscaled(b: Builder, weights: Tensor, scale: Tensor, zero: Tensor | None, dtype: str) -> Tensor:
    """Small weights as the floats they stand for. Nothing is computed for it: the sums of products are scaled instead."""
    given = (weights, scale) if zero is None else (weights, scale, zero)

    def run(w: object, s: object, z: object = 0) -> object:
        import numpy as np

        return ((np.asarray(w, dtype="int32") - np.asarray(z, dtype="int32")) * np.asarray(s)).astype(dtype)

    return b.emit(ops.Algorithm("unscaled", ((weights.shape, dtype),), {}, run=run), *given)
