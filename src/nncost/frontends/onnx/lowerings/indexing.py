"""Values taken by index and put at an index."""

from __future__ import annotations

from typing import cast

import numpy as np

from nncost.dims import Shape, is_symbolic, shape_text
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.constants import SIZES
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.made_up import are_sines
from nncost.frontends.onnx.roles import moved
from nncost.frontends.onnx.values import Derived, Known, Stored, Unlowered, Value, has_symbols
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.library import places, sequence

MICROSOFT = "com.microsoft"


@lowers("Gather")
def _gather(call: Call) -> Lowered:
    """Slices of one axis; the rows of a learned table by computed indices are an embedding."""
    table, index = call.value(0), call.value(1)
    axis = call.axis(call.attributes.integer("axis", 0), len(table.shape))
    if isinstance(index, Known):
        _check_index(index, table.shape[axis])
    if _is_table(call):
        stored = moved(table)
        if isinstance(stored, Stored) and not stored.moves:
            call.walk.tensors.looked_up.append(stored.constant)
        if axis == 0 and len(table.shape) == 2:
            return sequence.embedding(call.builder, call.constant(1), call.tensor(0, "weight"))
        return call.builder.emit(ops.Gather(axis), call.tensor(0, "weight"), call.constant(1))
    return call.like(table, call.builder.emit(ops.Gather(axis), call.tensor(0), call.constant(1)))


def _is_table(call: Call) -> bool:
    """Whether learned constants of the file are looked up: at indices that data decide, or at known positions."""
    table = call.value(0)
    is_stored = isinstance(table, (Stored, Derived)) and table.dtype not in SIZES and len(table.shape) > 1
    if not is_stored or (call.is_constant(1) and call.walk.tensors.inherited is None):
        return False
    return not _has_sines(table)


def _has_sines(table: Value) -> bool:
    """Whether a table holds the sines or cosines of positions, as those of rotary embeddings do: nobody learned it."""
    if not isinstance(table, Stored) or table.moves or table.constant.some is None or table.constant.elsewhere:
        return False
    if len(table.shape) != 2 or any(map(is_symbolic, table.shape)) or table.shape[0] < 3 or "float" not in table.dtype:
        return False
    width = int(table.shape[1])
    first, second, third = np.asarray(table.constant.some(np.arange(3 * width))).astype(np.float64).reshape(3, width)
    return bool((first != second).any()) and are_sines(first, second, third)


def _check_index(index: Known, length: object) -> None:
    if is_symbolic(length) or has_symbols(index):
        return
    for item in index.values.flat:
        if not -length <= item < length:  # type: ignore[operator]
            raise ShapeError(f"there is no element {item} in {length}.")


@lowers("GatherElements", since=11)
def _gather_elements(call: Call) -> Tensor:
    """One element per index; along the other axes there may be fewer indices than elements."""
    x = call.tensor(0)
    axis = call.axis(call.attributes.integer("axis", 0), x.rank)
    index = call.ranked(1, x.rank, x.rank)
    pairs = [pair for n, pair in enumerate(zip(index.shape, x.shape, strict=True)) if n != axis]
    if not call.walk.bounded and any(size > there for size, there in pairs if not any(map(is_symbolic, (size, there)))):
        raise ShapeError(f"indices {shape_text(index.shape)} do not fit {shape_text(x.shape)}.")
    return call.builder.emit(ops.Gather(axis, along=True), x, index)


def _gather_nd(call: Call) -> Lowered:
    """Slices by tuples of indices."""
    value, index, batch = call.value(0), call.constant(1), call.attributes.integer("batch_dims", 0)
    depth = _tuple_length(index.shape)
    if not 0 <= batch < index.rank or batch + depth > len(value.shape):
        raise ShapeError(f"indices {shape_text(index.shape)} do not fit {shape_text(value.shape)}.")
    table = call.tensor(0, "weight" if _is_table(call) else None)
    return call.like(value, places.gather_nd(call.builder, table, index, batch))


lowers("GatherND", since=11)(_gather_nd)
lowers("GatherND", domain=MICROSOFT)(_gather_nd)


def _tuple_length(shape: Shape) -> int:
    if not shape or is_symbolic(shape[-1]):
        raise Unlowered("indices whose number is a symbol")
    return cast("int", shape[-1])


# ------------------------------------------------------------------- putting
_MEETINGS: dict[str, places.Meeting] = {"none": "set", "add": "add", "mul": "mul", "max": "max", "min": "min"}


def _meeting(call: Call) -> places.Meeting:
    name = call.attributes.text("reduction", "none")
    if name not in _MEETINGS:
        raise SourceError(f"the attribute 'reduction' is {', '.join(_MEETINGS)}, received {name!r}.")
    return _MEETINGS[name]


@lowers("Scatter", "ScatterElements", since=9)
def _scatter_elements(call: Call) -> Tensor:
    """One element put at each index."""
    x = call.tensor(0)
    index, updates = call.ranked(1, x.rank, x.rank), call.ranked(2, x.rank, x.rank)
    axis = call.axis(call.attributes.integer("axis", 0), x.rank)
    return places.scatter_elements(call.builder, x, index, updates, axis, _meeting(call))


@lowers("ScatterND", since=11)
def _scatter_nd(call: Call) -> Tensor:
    """Slices put at tuples of indices."""
    x, index, updates = call.tensor(0), call.constant(1), call.tensor(2)
    depth = _tuple_length(index.shape)
    if depth > x.rank or updates.rank != index.rank - 1 + x.rank - depth:
        raise ShapeError(f"indices {shape_text(index.shape)} do not fit {shape_text(x.shape)}.")
    return places.scatter_nd(call.builder, x, index, updates, _meeting(call))


@lowers("TensorScatter", since=24)
def _tensor_scatter(call: Call) -> Tensor:
    """New steps put into a cache of keys or values."""
    cache, update, b = call.tensor(0), call.tensor(1), call.builder
    if cache.rank != update.rank or cache.rank < 2:
        raise ShapeError(f"an update {shape_text(update.shape)} does not fit {shape_text(cache.shape)}.")
    mode = call.attributes.text("mode", "linear")
    if mode not in ("linear", "circular"):
        raise SourceError(f"the attribute 'mode' is linear or circular, received {mode!r}.")
    axis = call.axis(call.attributes.integer("axis", -2), cache.rank)
    first = call.constant(2) if call.has(2) else b.full((cache.shape[0],), 0, "int64")
    return places.scatter_steps(b, cache, update, first, axis, circular=mode == "circular")


@lowers("OneHot", since=9)
def _one_hot(call: Call) -> Tensor:
    """Two values by index: a look-up."""
    index, values = call.constant(0), call.ranked(2, 1, 1)
    depth = call.only(1, None)
    axis = call.axis(call.attributes.integer("axis", -1), index.rank + 1)
    return places.one_hot(
        call.builder, index, depth if is_symbolic(depth) and not isinstance(depth, float) else int(depth), values, axis
    )


@lowers("ReverseSequence", since=10)
def _reverse_sequence(call: Call) -> Tensor:
    """Each example's own number of steps in reverse order."""
    x, lengths = call.tensor(0), call.constant(1)
    batch, time = (
        call.axis(call.attributes.integer(f"{name}_axis", default), x.rank)
        for name, default in (("batch", 1), ("time", 0))
    )
    if {batch, time} != {0, 1}:
        raise ShapeError(f"batch_axis and time_axis are 0 and 1, received {batch} and {time}.")
    return places.reversed_sequences(call.builder, x, lengths, batch, time)
