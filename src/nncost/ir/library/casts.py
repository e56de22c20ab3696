"""The types that a part of a graph is computed in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor

SINGLE = "float32"
SHORT_FLOATS = frozenset({"float16", "bfloat16"})


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
