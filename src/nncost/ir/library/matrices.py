"""Determinants and inverses of stacks of square matrices, by their LU factors (LAPACK)."""

from __future__ import annotations

from typing import Any

import numpy as np

from nncost.dims import product
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library import factorizations as lapack
from nncost.ir.library.counts import added, scaled

Array = Any


def determinant(b: Builder, x: Tensor) -> Tensor:
    """``(…, N, N)`` gives ``(…)``: the LU factors and the N−1 mul of their diagonal for each matrix."""
    n = _size(x)
    counts = added(lapack.lu(n, n), {"mul": max(n - 1, 0)})
    return _each(b, "determinant", x, x.shape[:-2], counts, np.linalg.det)


def inverse(b: Builder, x: Tensor) -> Tensor:
    """``(…, N, N)`` gives the inverse of each matrix: its LU factors, and N right-hand sides."""
    n = _size(x)
    return _each(b, "inverse", x, x.shape, added(lapack.lu(n, n), lapack.inverse_from_lu(n)), np.linalg.inv)


def _size(x: Tensor) -> int:
    return int(x.shape[-1])


def _each(b: Builder, name: str, x: Tensor, shape: Any, counts: Any, run: Any) -> Tensor:
    def wide(array: Array) -> Array:
        return np.asarray(run(array.astype(np.float64))).astype(array.dtype)

    amounts = scaled(counts, product(x.shape[:-2]))
    return b.emit(ops.Algorithm(name, ((shape, x.dtype),), amounts, run=wide), x)
