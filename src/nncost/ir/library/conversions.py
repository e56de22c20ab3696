"""The same bits read as another type, and the types that a part of a graph is computed in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.numpy_types import numpy_dtype


def same_bits(b: Builder, x: Tensor, dtype: str) -> Tensor:
    """``x`` read as another type of as many bits: nothing is computed."""
    return b.emit(ops.Algorithm("bitcast", ((x.shape, dtype),), {}, run=lambda a: a.view(numpy_dtype(dtype))), x)


def in_type(b: Builder, x: Tensor, dtype: str) -> Tensor:
    """``x`` in a type; itself if it has it."""
    return x if x.dtype == dtype else b.emit(ops.Cast(dtype), x)


@contextmanager
def computing_in(b: Builder, dtype: str) -> Iterator[None]:
    """Let numbers that are written in a formula be constants of a type for a while."""
    before, b.dtype = b.dtype, dtype
    try:
        yield
    finally:
        b.dtype = before
