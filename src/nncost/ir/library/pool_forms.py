"""Pooling that also says where its maxima stand, that stops at a mask, or that takes a norm."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np

from nncost.dims import Dim, product
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation, Pool
from nncost.ir.library.conv import pad_spatial
from nncost.ir.library.pool import Padding, maxima, to_sources
from nncost.ir.library.reductions import vector_norm
from nncost.ir.numpy_types import numpy_dtype


def max_pool_with_indices(
    b: Builder, x: Tensor, *, kernel: Sequence[Dim], stride: Sequence[int], padding: Padding, dilation: Sequence[int],
    column_major: bool = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """As :func:`max_pool`, and where in all of ``x`` each maximum stands: an integer addition for its plane.

    ``column_major`` counts the elements of a plane with its first axis first.
    """
    layer = Pool("max", tuple(kernel), tuple(stride), tuple(padding), tuple(dilation))
    plane = product(x.shape[2:])
    with b.region(Operation(layer.name), x) as region:
        y, source, padded = maxima(b, x, layer)
        read = partial(_unpadded, x.shape[2:], padding, "F" if column_major else "C")
        table = b.emit(ops.Constant("array", (product(padded.shape[2:]),), "int64", read))
        starts = b.emit(ops.Constant("iota", (*x.shape[:2], *(1,) * (x.rank - 2)), "int64"))
        first = b.map("mul", starts, b.full((), plane, "int64"))
        index = b.map("add", b.emit(ops.Gather(0), table, source), first)
        region.returns(y, index, saved=(source, padded), gradient=to_sources(padding))
    return y, index


def _unpadded(lengths: Sequence[int], padding: Padding, order: Literal["C", "F"]) -> object:
    """For each element of a padded plane its number in the plane itself."""
    plane = np.arange(product(lengths)).reshape(lengths, order=order)
    grown = np.pad(plane, [(max(0, low), max(0, high)) for low, high in padding])
    return grown.reshape(-1)


def masked_max_pool(
    b: Builder, x: Tensor, mask: Tensor, *, kernel: Sequence[Dim], stride: Sequence[int], padding: Padding,
    dilation: Sequence[int],
) -> Tensor:  # fmt: skip
    """The maxima of each row of a window up to its first element whose mask is zero; the lowest number where there is none.

    Per tap 1 cmp and an integer product beside the K−1 cmp of a maximum.
    """
    spatial, lowest = tuple(range(2, x.rank)), float(np.finfo(numpy_dtype(x.dtype)).min)
    window = ops.Window(spatial, tuple(kernel), tuple(stride), tuple(dilation))
    with b.region(Operation("max_pool_with_mask"), x, mask) as region:
        kept = b.map("not_equal", mask, b.full((), 0, mask.dtype))
        whole = pad_spatial(b, b.broadcast(b.emit(ops.Cast("int64"), kept), x.shape), padding, 1)
        taps, open_ = b.emit(window, pad_spatial(b, x, padding, lowest)), b.emit(window, whole)
        until = b.emit(ops.Cast("bool"), b.emit(ops.Scan("prod", open_.rank - 1), open_))
        chosen = b.map("select", until, taps, b.full((), lowest, x.dtype))
        region.returns(b.reduce("max", chosen, range(x.rank, taps.rank)))
    return region.outputs[0]


def norm_pool(
    b: Builder, x: Tensor, p: float, *, kernel: Sequence[Dim], stride: Sequence[int], padding: Padding,
    dilation: Sequence[int],
) -> Tensor:  # fmt: skip
    """(Σ|x|^p)^(1/p) of each window, with zeros around: the powers of K taps, K−1 add and a root."""
    window = ops.Window(tuple(range(2, x.rank)), tuple(kernel), tuple(stride), tuple(dilation))
    with b.region(Operation("lp_pool"), x) as region:
        taps = b.emit(window, pad_spatial(b, x, padding))
        region.returns(vector_norm(b, taps, p, range(x.rank, taps.rank)))
    return region.outputs[0]
