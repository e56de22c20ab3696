"""Elements taken from places and put at places that data decide.

Which place an index names is address arithmetic, which is free; a value that meets the one at its place takes one
operation. Taking differentiates as any Gather; the gradient of a value that is put is taken from its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from nncost.dims import Dim, Shape, product
from nncost.ir import ops
from nncost.ir.builder import Builder, GradientRule
from nncost.ir.dtypes import INTEGER_DTYPES
from nncost.ir.graph import Gradients, Region, Tensor
from nncost.ir.layers import Operation
from nncost.ir.numpy_calls import integers

Array = Any
Meeting = Literal["set", "add", "mul", "max", "min"]
"""What becomes of the element at a place: it is replaced, or meets the value that is put there."""
_MEETINGS: dict[str, tuple[str, np.ufunc]] = {
    "add": ("add", np.add), "mul": ("mul", np.multiply), "max": ("cmp", np.maximum), "min": ("cmp", np.minimum),
}  # fmt: skip


PUT: dict[Meeting, str] = {
    "set": "put", "add": "put_add", "mul": "put_mul", "max": "put_max", "min": "put_min",
}  # fmt: skip
"""The names of what puts values at rows."""


def places(b: Builder, shape: Shape, run: Callable[..., Array], *indices: Tensor) -> Tensor:
    """Row numbers of that shape that ``run`` computes from indices."""
    return b.emit(ops.Algorithm("places", ((shape, "int64"),), {}, run=run), *indices)


# ------------------------------------------------------------------- taking
def gather_nd(b: Builder, x: Tensor, index: Tensor, batch_axes: int = 0) -> Tensor:
    """``x`` (*B, *sizes, *inner) at ``index`` (*B, *outputs, k), which names the first k axes behind the batch: (*B, *outputs, *inner)."""
    last = batch_axes + _depth(index)
    rows = b.reshape(x, (product(x.shape[:last]), *x.shape[last:]))
    at = places(b, index.shape[:-1], lambda i: _numbers(i, x.shape[:last], batch_axes), index)
    return b.emit(ops.Gather(0), rows, at)


def _depth(index: Tensor) -> int:
    return int(index.shape[-1])


def _numbers(index: Array, sizes: Shape, batch_axes: int = 0) -> Array:
    """Which row of the flattened axes each index names; negative ones count from the end."""
    lengths, whole = integers(sizes), index.astype(np.int64)
    batch = np.indices(whole.shape[:batch_axes], sparse=True) if batch_axes else ()
    spread = [each.reshape((*each.shape, *(1,) * (whole.ndim - 1 - batch_axes))) for each in batch]
    own = [whole[..., k] for k in range(whole.shape[-1])]
    number: Array = np.zeros(whole.shape[:-1], dtype=np.int64)
    for part, length in zip([*spread, *own], lengths, strict=True):
        number = number * length + np.where(part < 0, part + length, part)
    return number


def reversed_sequences(b: Builder, x: Tensor, lengths: Tensor, batch_axis: int, time_axis: int) -> Tensor:
    """The first ``lengths[n]`` steps of each example n in reverse order, the others where they are."""
    front = (batch_axis, time_axis, *(axis for axis in range(x.rank) if axis not in (batch_axis, time_axis)))
    batch, steps = x.shape[batch_axis], x.shape[time_axis]
    moved = b.transpose(x, front)
    at = places(b, (batch, steps), lambda n: _turned(n, *integers((steps,))), lengths)
    taken = b.emit(ops.Gather(0), b.reshape(moved, (batch * steps, *moved.shape[2:])), at)
    return b.transpose(taken, [front.index(axis) for axis in range(x.rank)])


def _turned(lengths: Array, steps: int) -> Array:
    step, length = np.arange(steps), lengths.astype(np.int64)[:, None]
    return np.where(step < length, length - 1 - step, step) + np.arange(len(lengths))[:, None] * steps


def one_hot(b: Builder, index: Tensor, depth: Dim, values: Tensor, axis: int) -> Tensor:
    """A new axis of ``depth`` elements: ``values[1]`` where the index says, else ``values[0]``; taken, not compared."""
    shape = (*index.shape[:axis], depth, *index.shape[axis:])
    hits = places(b, shape, lambda i: _hits(i, axis, *integers((depth,))), index)
    return b.emit(ops.Gather(0), values, hits)


def _hits(index: Array, axis: int, depth: int) -> Array:
    whole = np.expand_dims(index.astype(np.int64), axis)
    positions = np.arange(depth).reshape((-1, *(1,) * (index.ndim - axis)))
    return (np.where(whole < 0, whole + depth, whole) == positions).astype(np.int64)


# ------------------------------------------------------------------- putting
def scatter_elements(b: Builder, x: Tensor, index: Tensor, updates: Tensor, axis: int, meeting: Meeting) -> Tensor:
    """Each update put where it stands in ``x``, but along ``axis`` at its index; all three have one rank."""
    at = places(b, (index.elements,), lambda i: _along(i, axis, integers(x.shape)), index)
    flat = put(b, b.reshape(x, (x.elements,)), at, b.reshape(updates, (updates.elements,)), meeting)
    return b.reshape(flat, x.shape)


def _along(index: Array, axis: int, shape: tuple[int, ...]) -> Array:
    where = list(np.indices(index.shape))
    whole = index.astype(np.int64)
    where[axis] = np.where(whole < 0, whole + shape[axis], whole)
    return np.ravel_multi_index(tuple(where), shape).reshape(-1)


def scatter_nd(b: Builder, x: Tensor, index: Tensor, updates: Tensor, meeting: Meeting) -> Tensor:
    """Slices ``updates`` (*S, *inner) put where ``index`` (*S, k) says, which names the first k axes of ``x``."""
    depth = _depth(index)
    rows = b.reshape(x, (product(x.shape[:depth]), *x.shape[depth:]))
    at = places(b, index.shape[:-1], lambda i: _numbers(i, x.shape[:depth]), index)
    return b.reshape(put(b, rows, at, updates, meeting), x.shape)


def scatter_steps(b: Builder, cache: Tensor, update: Tensor, first: Tensor, axis: int, *, circular: bool) -> Tensor:
    """The steps of ``update`` put into ``cache`` (B, …) along ``axis``, from step ``first[n]`` on for each example n.

    ``circular``: after the last step comes the first one.
    """
    front = (0, axis, *(other for other in range(1, cache.rank) if other != axis))
    batch, steps, count = cache.shape[0], cache.shape[axis], update.shape[axis]
    moved, fresh = b.transpose(cache, front), b.transpose(update, front)
    at = places(b, (batch, count), lambda n: _steps(n, integers((steps, count)), circular), first)
    done = put(b, b.reshape(moved, (batch * steps, *moved.shape[2:])), at, fresh, "set")
    return b.transpose(b.reshape(done, moved.shape), [front.index(other) for other in range(cache.rank)])


def _steps(first: Array, sizes: tuple[int, ...], circular: bool) -> Array:
    steps, count = sizes
    step = first.astype(np.int64)[:, None] + np.arange(count)
    return (step % steps if circular else step) + np.arange(len(first))[:, None] * steps


def put(b: Builder, rows: Tensor, at: Tensor, updates: Tensor, meeting: Meeting = "set") -> Tensor:
    """``updates`` (*S, *inner) put at the rows ``at`` (*S) of ``rows`` (N, *inner): free, or one operation for each value that meets another."""
    counts = {} if meeting == "set" else {_quantity(rows.dtype, _MEETINGS[meeting][0]): updates.elements}
    op = ops.Algorithm(PUT[meeting], ((rows.shape, rows.dtype),), counts, run=lambda *x: _put(meeting, *x))
    with b.region(Operation("scatter"), rows, at, updates) as region:
        region.returns(b.emit(op, rows, at, updates), gradient=_GRADIENTS.get(meeting))
    return region.outputs[0]


def _quantity(dtype: str, quantity: str) -> str:
    return "int_ops" if dtype in INTEGER_DTYPES else quantity


def _put(meeting: Meeting, rows: Array, at: Array, updates: Array) -> Array:
    result = rows.astype(np.result_type(rows, updates) if updates.dtype == object else rows.dtype)
    if meeting == "set":
        result[at] = updates
    else:
        _MEETINGS[meeting][1].at(result, at, updates)
    return result


def _replaced(b: Builder, region: Region, g: Sequence[Tensor | None], wanted: frozenset[Tensor]) -> Gradients:
    """The gradient of an update is taken from its place, where that of the element it replaced is zero."""
    (dy,), (rows, at, updates) = g, region.inputs
    assert dy is not None
    found = {updates: b.emit(ops.Gather(0), dy, at)} if updates in wanted else {}
    if rows in wanted:
        found[rows] = put(b, dy, at, b.full(updates.shape, 0.0, dy.dtype))
    return found


def _added(b: Builder, region: Region, g: Sequence[Tensor | None], wanted: frozenset[Tensor]) -> Gradients:
    """The gradient of an update is taken from its place, that of the element it is added to is the same."""
    (dy,), (rows, at, updates) = g, region.inputs
    assert dy is not None
    found = {rows: dy} if rows in wanted else {}
    if updates in wanted:
        found[updates] = b.emit(ops.Gather(0), dy, at)
    return found


_GRADIENTS: dict[str, GradientRule] = {"set": _replaced, "add": _added}
