"""Bodies of branches and loops that are translated apart, to be compared or run often."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from nncost.dims import Dim, product, substitute
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.tensors import Tensors
from nncost.frontends.onnx.values import Array, Computed, Derived, FileConstant, Stored, Unlowered, Value
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Item, Role, walk
from nncost.ir.shapes import summed_size

SAMPLE = 997
"""The size that stands for every symbol where the work of two branches is compared."""


def emitted_apart(call: Call, graph: Any, name: str) -> tuple[list[Item], list[Value]]:
    """The items and outputs of a body, which are not yet a part of the graph."""
    outer = call.walk.tensors
    b = Builder(dtype=outer.builder.dtype, training=outer.builder.training, path=outer.builder.path)
    with call.walk.emitting(Tensors(b, outer)):
        outputs = call.walk.run_graph(graph, [], name)
    return b.items, outputs


def roles_of_slices(
    call: Call, body: Any, states: Sequence[Value], scanned: Mapping[int, tuple[Value, int]]
) -> dict[int, Role]:
    """What a body uses slices of constants for: ``scanned`` are they by their place in the body's inputs, with their axis.

    The body is translated once, for that alone.
    """
    outer = call.walk.tensors
    b = Builder(dtype=outer.builder.dtype, training=outer.builder.training, path=outer.builder.path)
    given: list[Value] = [Computed(b.input(value.shape, dtype=value.dtype)) for value in states]
    for place, (value, axis) in sorted(scanned.items()):
        shape = (*value.shape[:axis], *value.shape[axis + 1 :])
        if isinstance(value, (Stored, Derived)):
            first = partial(_first_slice, call, value, axis)
            given.append(Stored(FileConstant(_slice_name(place), shape, value.dtype, first), shape))
        else:
            given.append(Computed(b.input(shape, dtype=value.dtype)))
    try:
        with call.walk.emitting(Tensors(b)):
            call.walk.run_graph(body, given, "body")
    except Unlowered:
        return {}
    roles = {parameter.tensor.name: parameter.role for parameter in b.parameters}
    return {place: roles[_slice_name(place)] for place in scanned if _slice_name(place) in roles}


def _slice_name(place: int) -> str:
    return f"slice {place}"


def _first_slice(call: Call, value: Value, axis: int) -> Array:
    return call.walk.known_values(value).take(0, axis=axis)


def heaviest(bodies: Mapping[str, Sequence[Item]]) -> str:
    """The name of the body with the most work: products of contractions, elements of everything else."""
    return max(bodies, key=lambda name: _work(bodies[name]))


def _work(items: Sequence[Item]) -> int:
    total = 0
    for node in walk(items):
        size = sum(_number(product(tensor.shape)) for tensor in node.outputs)
        if isinstance(node.op, ops.Contract):
            size *= 2 * _number(summed_size(node.op, node.inputs[0].shape))
        if isinstance(node.op, ops.Repeat):
            size += _number(node.op.times) * _work(node.op.body.items)
        total += 0 if isinstance(node.op, (ops.Constant, *ops.VIEWS)) else size
    return total


def _number(dim: Dim) -> int:
    free: Any = getattr(dim, "free_symbols", ())
    return int(substitute(dim, dict.fromkeys(free, SAMPLE))) if free else int(dim)


def trips_symbol(call: Call) -> Dim:
    """A symbol for the iterations of a loop whose end data decide, or the number that the caller binds it to."""
    name = re.sub(r"\W+", "_", call.builder.path).strip("_") + "_times"
    return call.walk.named_size(name)
