"""Which axis of each tensor holds the examples, so that a graph of one batch size runs at every other.

A graph's sizes are numbers, those of reshapes included. The first axis of the inputs is the batch, and
this follows it through the operations: a tensor has at most one such axis, perhaps merged with others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import assert_never, cast

from nncost.ir import ops
from nncost.ir.graph import Graph, Item, Node, Tensor, walk

Axes = dict[Tensor, int]


def batch_axes(graph: Graph) -> Axes:
    """The batch axis of every tensor that has one; bodies of Repeat included."""
    first = graph.inputs[0] if graph.inputs else None
    if first is None or not first.rank:
        return {}
    batch = first.shape[0]
    axes = {tensor: 0 for tensor in graph.inputs if tensor.rank and tensor.shape[0] == batch}
    _follow(graph.items, axes, cast("int", batch))
    return axes


def _follow(items: Sequence[Item], axes: Axes, batch: int) -> None:
    for node in walk(items):
        if isinstance(node.op, ops.Repeat):
            _enter(node, node.op, axes, batch)
            continue
        for output, axis in zip(node.outputs, _axes(node, axes, batch), strict=True):
            if axis is not None:
                axes[output] = axis


def _enter(node: Node, op: ops.Repeat, axes: Axes, batch: int) -> None:
    """Through the body; a slice has one axis less than its stack."""
    for number, (inner, outer) in enumerate(zip(op.body.inputs, node.inputs, strict=True)):
        stacked = op.carried <= number < op.carried + op.scanned
        if outer in axes and axes[outer] - stacked >= 0:
            axes[inner] = axes[outer] - stacked
    _follow(op.body.items, axes, batch)
    for number, (inner, outer) in enumerate(zip(op.body.outputs, node.outputs, strict=True)):
        if inner in axes:
            axes[outer] = axes[inner] + (number >= op.carried)


def _axes(node: Node, axes: Axes, batch: int) -> Sequence[int | None]:
    """The batch axis of each output."""
    op, found = node.op, [axes.get(tensor) for tensor in node.inputs]
    x = found[0] if found else None
    match op:
        case ops.Contract():
            return [_contracted(op, found)]
        case ops.Map():
            return [next((axis for axis in found if axis is not None), None)]
        case ops.Reduce(axes=gone):
            return [_without(x, gone)]
        case ops.ArgReduce(axis=axis):
            return [_without(x, (axis,))] * 2
        case ops.Window(axes=windowed) | ops.Fold(axes=windowed):
            return [None if x in windowed else x]
        case ops.Scan() | ops.Pad() | ops.Stride() | ops.Flip() | ops.Cast() | ops.Sort():
            return [x] * len(node.outputs)
        case ops.Reshape():
            return [_reshaped(node, x, batch)]
        case ops.Transpose(order=order):
            return [None if x is None else order.index(x)]
        case ops.Split(axis=axis):
            return [None if x == axis else x] * len(node.outputs)
        case ops.Concat(axis=axis):
            joined = next((each for each in found if each is not None), None)
            return [None if joined == axis else joined]
        case ops.Broadcast(shape=shape):
            return [None if x is None else x + len(shape) - node.inputs[0].rank]
        case ops.Gather(axis=axis, along=along):
            return [_gathered(axis, found, node.inputs[1].rank, along=along)]
        case ops.Scatter(axis=axis, along=along):
            return [x if along or x is None or x < axis else x - node.inputs[1].rank + 1]
        case ops.Constant() | ops.Random() | ops.Algorithm() | ops.Opaque() | ops.Repeat():
            return [None] * len(node.outputs)
        case _:
            assert_never(op)


def _contracted(op: ops.Contract, found: Sequence[int | None]) -> int | None:
    left, right, output = op.terms
    for letters, axis in ((left, found[0]), (right, found[1])):
        if axis is not None and letters[axis] in output:
            return output.index(letters[axis])
    return None


def _without(axis: int | None, gone: Sequence[int]) -> int | None:
    if axis is None or axis in gone:
        return None
    return axis - sum(each < axis for each in gone)


def _gathered(axis: int, found: Sequence[int | None], rank: int, *, along: bool) -> int | None:
    table, index = found
    if along:
        return index if index is not None else table
    if index is not None:
        return axis + index
    if table is None or table == axis:
        return None
    return table if table < axis else table + rank - 1


def _reshaped(node: Node, axis: int | None, batch: int) -> int | None:
    """The axis of the new shape that the batch has gone into: as many elements stand before it, or fewer."""
    if axis is None:
        return None
    old, new = cast("tuple[int, ...]", node.inputs[0].shape), cast("tuple[int, ...]", node.outputs[0].shape)
    before = math.prod(old[:axis])
    starts = [math.prod(new[:k]) for k in range(len(new))]
    fitting = [k for k, size in enumerate(new) if size % batch == 0 and before * batch <= starts[k] * size]
    exact = [k for k in fitting if starts[k] == before]
    merged = [k for k in fitting if starts[k] < before]
    return next(iter((*exact, *merged)), None)
