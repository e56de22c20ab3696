"""Values taken by index."""

from __future__ import annotations

from functools import partial
from typing import Literal

from nncost.dims import is_symbolic
from nncost.errors import ShapeError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.values import Derived, Known, Stored, Unlowered, has_symbols
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.library import sequence


@lowers("Gather")
def _gather(call: Call) -> Lowered:
    """Slices of one axis; the rows of a learned table by computed indices are an embedding."""
    table, index = call.value(0), call.value(1)
    axis = call.axis(call.attributes.integer("axis", 0), len(table.shape))
    if isinstance(index, Known):
        _check_index(index, table.shape[axis])
    is_table = isinstance(table, (Stored, Derived)) and "float" in table.dtype and len(table.shape) > 1
    if is_table and not call.is_constant(1):
        if isinstance(table, Stored) and not table.moves:
            call.walk.tensors.looked_up.append(table.constant)
        if axis == 0 and len(table.shape) == 2:
            return sequence.embedding(call.builder, call.constant(1), call.tensor(0, "weight"))
        return call.builder.emit(ops.Gather(axis), call.tensor(0, "weight"), call.constant(1))
    return call.like(table, call.builder.emit(ops.Gather(axis), call.tensor(0), call.constant(1)))


def _check_index(index: Known, length: object) -> None:
    if is_symbolic(length) or has_symbols(index):
        return
    for item in index.values.flat:
        if not -length <= item < length:  # type: ignore[operator]
            raise ShapeError(f"there is no element {item} in {length}.")


@lowers("GatherElements", since=11)
def _gather_elements(call: Call) -> Tensor:
    """One element per index."""
    x = call.tensor(0)
    axis = call.axis(call.attributes.integer("axis", 0), x.rank)
    index = call.ranked(1, x.rank, x.rank)
    return call.builder.emit(ops.Gather(axis, along=True), x, index)


def _extreme(call: Call, function: Literal["max", "min"]) -> Tensor:
    """The index of the extreme element of an axis; of several, the first one."""
    if call.attributes.flag("select_last_index", False):
        raise Unlowered("the last index of equal elements")
    x = call.tensor(0)
    axis = call.axis(call.attributes.integer("axis", 0), x.rank)
    index = call.builder.emit_many(ops.ArgReduce(function, axis), x)[1]
    return call.builder.unsqueeze(index, axis) if call.attributes.flag("keepdims", True) else index


lowers("ArgMax")(partial(_extreme, function="max"))
lowers("ArgMin")(partial(_extreme, function="min"))
