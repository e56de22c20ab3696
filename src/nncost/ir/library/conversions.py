"""The same bits read as another type."""

from __future__ import annotations

from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.numpy_types import numpy_dtype


def same_bits(b: Builder, x: Tensor, dtype: str) -> Tensor:
    """``x`` read as another type of as many bits: nothing is computed."""
    return b.emit(ops.Algorithm("bitcast", ((x.shape, dtype),), {}, run=lambda a: a.view(numpy_dtype(dtype))), x)
