"""The largest, the last and the distinct elements: sorting and searching."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from nncost.dims import Dim, ceil_log2, is_symbolic, product
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.dtypes import INTEGER_DTYPES
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library.places import one_hot

Array = Any


def top_k(b: Builder, x: Tensor, k: Dim, axis: int, *, largest: bool = True) -> tuple[Tensor, Tensor]:
    """The k largest (or smallest) elements along an axis, in order, and their indices; of equal ones the first come first.

    The axis is sorted: n⌈log₂n⌉ cmp for each of its rows, an estimate.
    """
    length = x.shape[axis]
    with b.region(Operation("top_k"), x) as region:
        values, indices = b.emit_many(ops.Sort(axis), b.emit(ops.Flip((axis,)), x) if largest else x)
        if largest:
            values, turned = b.emit(ops.Flip((axis,)), values), b.emit(ops.Flip((axis,)), indices)
            indices = _counted_from_the_end(b, turned, length)
        if is_symbolic(k) or k != length:
            sizes = (k, length - k)
            values, indices = (b.emit_many(ops.Split(axis, sizes), each)[0] for each in (values, indices))
        region.returns(values, indices)
    return values, indices


def _counted_from_the_end(b: Builder, index: Tensor, length: Dim) -> Tensor:
    """``length`` − 1 − index, looked up in a constant."""
    backwards = b.emit(ops.Flip((0,)), b.emit(ops.Constant("iota", (length,), "int64")))
    return b.emit(ops.Gather(0), backwards, index)


def extreme_index(b: Builder, x: Tensor, function: Literal["max", "min"], axis: int, *, last: bool = False) -> Tensor:
    """The index of the extreme element of an axis of n, of equal ones the first or the ``last``: n−1 cmp."""
    if not last:
        return b.emit_many(ops.ArgReduce(function, axis), x)[1]
    turned = b.emit_many(ops.ArgReduce(function, axis), b.emit(ops.Flip((axis,)), x))[1]
    return _counted_from_the_end(b, turned, x.shape[axis])


def hardmax(b: Builder, x: Tensor, axis: int) -> Tensor:
    """One at the first largest element of an axis of n, zero elsewhere: n−1 cmp."""
    if 0 in x.shape:
        return b.map("identity", x)
    with b.region(Operation("hardmax"), x) as region:
        values = b.emit(ops.Constant("array", (2,), x.dtype, (0, 1)))
        region.returns(one_hot(b, extreme_index(b, x, "max", axis), x.shape[axis], values, axis))
    return region.outputs[0]


def non_zero(b: Builder, x: Tensor, count: Dim) -> Tensor:
    """``(rank, count)``: the indices of the elements that are not zero, 1 cmp for each element of ``x``."""
    with b.region(Operation("non_zero"), x) as region:
        mask = x if x.dtype == "bool" else b.map("not_equal", x, b.full((), 0, x.dtype))
        op = ops.Algorithm("places", (((x.rank, count), "int64"),), {}, run=indices_of)
        region.returns(b.emit(op, mask))
    return region.outputs[0]


def indices_of(mask: Array) -> Array:
    """The indices of true elements, an axis each; a scalar has no axis."""
    if mask.ndim:
        return np.stack(np.nonzero(mask))
    return np.zeros((0, int(bool(mask))), dtype=np.int64)


def compressed(b: Builder, x: Tensor, condition: Tensor, axis: int, count: Dim) -> Tensor:
    """The slices of an axis whose condition holds."""
    op = ops.Algorithm("places", (((count,), "int64"),), {}, run=lambda c: np.flatnonzero(c.astype(bool)))
    return b.emit(ops.Gather(axis), x, b.emit(op, condition))


def unique(b: Builder, x: Tensor, axis: int | None, count: Dim, *, in_order: bool = True) -> tuple[Tensor, ...]:
    """The distinct slices of an axis (elements without one), the first place of each, each slice's number, how often each is there.

    n slices are sorted and neighbours compared, n⌈log₂n⌉ + n − 1 cmp for each element of a slice at most: estimated.
    """
    length: Dim = x.elements if axis is None else x.shape[axis]
    shape = (count,) if axis is None else (*x.shape[:axis], count, *x.shape[axis + 1 :])
    width: Dim = 1 if axis is None else product((*x.shape[:axis], *x.shape[axis + 1 :]))
    quantity = "int_ops" if x.dtype in INTEGER_DTYPES else "cmp"
    amount = width * (length * ceil_log2(length) + length - 1) if length != 0 else 0
    whole = ((count,), "int64")
    outputs = ((shape, x.dtype), whole, ((length,), "int64"), whole)
    run: Callable[[Array], Any] = lambda array: distinct(array, axis, in_order=in_order)  # noqa: E731
    op = ops.Algorithm("unique", outputs, {quantity: amount}, ops.ESTIMATED, run)
    return b.emit_many(op, x)


def distinct(x: Array, axis: int | None, *, in_order: bool = True) -> tuple[Array, Array, Array, Array]:
    """As :func:`unique`, of an array; not ``in_order``, slices come as they first appear."""
    values, first, number, counts = np.unique(x, True, True, True, axis=axis)
    number = number.reshape(-1)
    if not in_order:
        order = np.argsort(first)
        values, first, counts = np.take(values, order, axis or 0), first[order], counts[order]
        number = np.argsort(order)[number]
    return values, first.astype(np.int64), number.astype(np.int64), counts.astype(np.int64)
