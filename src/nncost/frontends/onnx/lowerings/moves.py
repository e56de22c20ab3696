"""Joining, splitting and repeating tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from nncost.dims import Dim, exact_divide, is_symbolic, shape_text
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.broadcasting import fitted
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.roles import token_role
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.library import shuffles
from nncost.ir.library.triangles import triangle
from nncost.units import counted


@lowers("Concat")
def _concat(call: Call) -> Lowered:
    if not call.values:
        raise SourceError("it has no operands.")
    rank = len(call.value(0).shape)
    axis = call.axis(call.attributes.integer("axis", 1), rank)
    tensors = [call.tensor(position, token_role(call, position)) for position in range(len(call.values))]
    if call.walk.trusting:
        first = tensors[0].shape
        tensors = [fitted(call, x, (*first[:axis], x.shape[axis], *first[axis + 1 :])) for x in tensors]
    return call.builder.concat(tensors, axis)


@lowers("Split")
def _split(call: Call) -> Lowered:
    value = call.value(0)
    axis = call.axis(call.attributes.integer("axis", 0), len(value.shape))
    sizes = _split_sizes(call, value.shape[axis])
    if len(sizes) != len(call.node.output):
        raise ShapeError(f"{counted(len(sizes), 'size')} for {counted(len(call.node.output), 'output')}.")
    pieces = call.builder.emit_many(ops.Split(axis, sizes), call.tensor(0))
    return tuple(call.like(value, piece) for piece in pieces)


def _split_sizes(call: Call, length: Dim) -> tuple[Dim, ...]:
    """The sizes given, or equal ones; with num_outputs the last one may be smaller."""
    given = call.integers_at(1, "split", 13)
    if given is not None:
        if any(size < 0 for size in given):
            raise ShapeError(f"sizes are at least 0, received {given}.")
        return tuple(given)
    count = len(call.node.output)
    if is_symbolic(length) or call.opset < 18:
        return (exact_divide(length, count),) * count
    size = -(cast("int", length) // -count)
    return (*(size,) * (count - 1), length - size * (count - 1))


@lowers("Tile")
def _tile_one_axis(call: Call) -> Tensor:
    """One axis repeated as a whole."""
    x, repeats = call.tensor(0), [*(1,) * len(call.value(0).shape)]
    repeats[call.axis(int(call.only(2, None)), x.rank)] = int(call.only(1, None))
    return _tiled(call, x, repeats)


@lowers("Tile", since=6)
def _tile(call: Call) -> Tensor:
    """Each axis repeated as a whole."""
    return _tiled(call, call.tensor(0), call.integers(1))


def _tiled(call: Call, x: Tensor, repeats: Sequence[Dim]) -> Tensor:
    if len(repeats) != x.rank or any(not is_symbolic(times) and times < 0 for times in repeats):
        raise ShapeError(f"repeats {list(repeats)} do not fit {shape_text(x.shape)}.")
    return shuffles.tile(call.builder, x, repeats)


def _triangle(call: Call) -> Tensor:
    """The upper or lower triangle of matrices; the others are zero."""
    x, shift = call.tensor(0), int(call.only(1, 0))
    if x.rank < 2:
        raise ShapeError(f"a triangle needs two axes, received {shape_text(x.shape)}.")
    return triangle(call.builder, x, shift, upper=call.attributes.flag("upper", True))


lowers("Trilu", since=14)(_triangle)
lowers("Trilu", domain="com.microsoft")(_triangle)


@lowers("ExpandDims", domain="com.microsoft")
def _expand_dims(call: Call) -> Lowered:
    """A new axis of one element."""
    value, (axis,) = call.value(0), call.numbers(1)
    at = call.axis(axis, len(value.shape) + 1)
    return call.reshaped(value, (*value.shape[:at], 1, *value.shape[at:]))
