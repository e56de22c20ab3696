"""Shape inference: the shapes and dtypes of each core operation's outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from nncost.dims import (
    Dim,
    Shape,
    add_all,
    floor_divide,
    is_symbolic,
    product,
    same,
    same_shape,
    shape_text,
    substitute,
    sum_over,
)
from nncost.errors import ShapeError
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.scalars import SCALARS

INDEX_DTYPE = "int64"


def infer(op: ops.Op, inputs: Sequence[Tensor]) -> tuple[ops.TensorType, ...]:
    """The shape and dtype of every output.

    Raise ShapeError if the inputs do not fit the operation.
    """
    match op:
        case ops.Contract():
            return ((contracted_shape(op, inputs[0].shape, inputs[1].shape), inputs[0].dtype),)
        case ops.Map():
            return (_map_type(op, inputs),)
        case ops.Reduce(axes=axes):
            kept = tuple(dim for axis, dim in enumerate(inputs[0].shape) if axis not in axes)
            return ((kept, inputs[0].dtype),)
        case ops.ArgReduce(axis=axis):
            whole = inputs[0].shape
            kept = whole[:axis] + whole[axis + 1 :]
            if whole[axis] == 0 and 0 not in kept:
                raise ShapeError(f"axis {axis} of {shape_text(whole)} has no largest or smallest element: it has none")
            return ((kept, inputs[0].dtype), (kept, INDEX_DTYPE))
        case ops.Scan():
            return ((inputs[0].shape, inputs[0].dtype),)
        case ops.Window():
            return ((window_shape(op, inputs[0].shape), inputs[0].dtype),)
        case ops.Fold(axes=axes, lengths=lengths):
            shape = list(inputs[0].shape[: inputs[0].rank - len(axes)])
            for axis, length in zip(axes, lengths, strict=True):
                shape[axis] = length
            return ((tuple(shape), inputs[0].dtype),)
        case ops.Move():
            return tuple((shape, inputs[0].dtype) for shape in _move_shapes(op, inputs))
        case ops.Gather(axis=axis, along=along):
            table, index = inputs
            taken = table.shape[:axis] + index.shape + table.shape[axis + 1 :]
            return ((index.shape if along else taken, table.dtype),)
        case ops.Scatter(axis=axis, size=size, along=along):
            values, index = inputs
            tail = axis + 1 if along else axis + index.rank
            return (((*values.shape[:axis], size, *values.shape[tail:]), values.dtype),)
        case ops.Sort():
            return ((inputs[0].shape, inputs[0].dtype), (inputs[0].shape, INDEX_DTYPE))
        case ops.Random(shape=shape):
            return ((shape, "float32"),)
        case ops.Cast(dtype=dtype):
            return ((inputs[0].shape, dtype),)
        case ops.Constant(shape=shape, dtype=dtype):
            return ((shape, dtype),)
        case ops.Repeat():
            return _repeat_types(op)
        case ops.Algorithm(outputs=outputs) | ops.Opaque(outputs=outputs):
            return outputs
        case _:
            assert_never(op)


def contracted_shape(op: ops.Contract, left: Shape, right: Shape) -> Shape:
    """The output shape of a contraction; equal letters must have equal sizes."""
    sizes: dict[str, Dim] = {}
    left_letters, right_letters, output = op.terms
    for letters, shape in ((left_letters, left), (right_letters, right)):
        if len(letters) != len(shape):
            raise ShapeError(f"contraction {op.spec!r} received {shape_text(left)} and {shape_text(right)}")
        for letter, dim in zip(letters, shape, strict=True):
            if not same(sizes.setdefault(letter, dim), dim):
                message = (
                    f"contraction {op.spec!r} received {shape_text(left)} and {shape_text(right)}: "
                    f"index {letter!r} is {sizes[letter]} on one side and {dim} on the other"
                )
                raise ShapeError.of_sizes(message, sizes[letter], dim)
    return tuple(sizes[letter] for letter in output)


def summed_size(op: ops.Contract, left: Shape) -> Dim:
    """The number of terms in each sum of a contraction."""
    left_letters, _, output = op.terms
    return product(dim for letter, dim in zip(left_letters, left, strict=True) if letter not in output)


def window_shape(op: ops.Window, shape: Shape) -> Shape:
    """The positions of the window on its axes, then one axis of taps per axis."""
    result = list(shape)
    for axis, size, stride, dilation in zip(op.axes, op.sizes, op.strides, op.dilations, strict=True):
        reach = dilation * (size - 1) + 1
        positions = floor_divide(shape[axis] - reach, stride) + 1
        if not is_symbolic(positions) and positions < 1:
            raise ShapeError(
                f"a window that reaches over {reach} elements does not fit into {shape[axis]}",
                hint="Make the kernel smaller, or add padding (pad=…).",
            )
        result[axis] = positions
    return (*result, *op.sizes)


def _map_type(op: ops.Map, inputs: Sequence[Tensor]) -> ops.TensorType:
    function = SCALARS[op.function]
    if len(inputs) != function.arity:
        raise ShapeError(f"{op.function} takes {function.arity} operands, received {len(inputs)}")
    full = [tensor for tensor in inputs if tensor.shape] or inputs
    shape = full[0].shape
    for tensor in full:
        if not same_shape(shape, tensor.shape):
            raise ShapeError(f"{op.function} received {shape_text(shape)} and {shape_text(tensor.shape)}")
    if function.returns:
        return shape, function.returns
    return shape, next((tensor.dtype for tensor in (*full, *inputs) if tensor.dtype != "bool"), "bool")


def _move_shapes(op: ops.AnyMove, inputs: Sequence[Tensor]) -> tuple[Shape, ...]:
    shape = inputs[0].shape
    match op:
        case ops.Reshape(shape=target, trusted=trusted):
            if not trusted and not same(product(target), product(shape)):
                raise ShapeError(f"cannot reshape {shape_text(shape)} to {shape_text(target)}")
            return (target,)
        case ops.Broadcast(shape=target):
            if len(shape) > len(target) or not all(
                dim == 1 or same(dim, wide) for dim, wide in zip(reversed(shape), reversed(target), strict=False)
            ):
                message = f"cannot repeat {shape_text(shape)} to {shape_text(target)}"
                pairs = zip(reversed(shape), reversed(target), strict=False)
                unequal = [pair for pair in pairs if pair[0] != 1 and not same(*pair)]
                raise ShapeError.of_sizes(message, *unequal[0]) if unequal else ShapeError(message)
            return (target,)
        case ops.Transpose(order=order):
            return (tuple(shape[axis] for axis in order),)
        case ops.Pad(before=before, after=after):
            return (tuple(low + dim + high for low, dim, high in zip(before, shape, after, strict=True)),)
        case ops.Split(axis=axis, sizes=sizes):
            if not same(add_all(sizes), shape[axis]):
                raise ShapeError(f"cannot split {shape[axis]} elements into {', '.join(map(str, sizes))}")
            return tuple((*shape[:axis], size, *shape[axis + 1 :]) for size in sizes)
        case ops.Concat(axis=axis):
            return (_concatenated_shape(axis, inputs),)
        case ops.Stride(axis=axis, step=step):
            return ((*shape[:axis], floor_divide(shape[axis] - 1, step) + 1, *shape[axis + 1 :]),)
        case ops.Flip():
            return (shape,)
        case _:
            assert_never(op)


def _concatenated_shape(axis: int, inputs: Sequence[Tensor]) -> Shape:
    first = inputs[0].shape
    for tensor in inputs[1:]:
        rest, expected = list(tensor.shape), list(first)
        if len(rest) == len(expected):
            rest[axis] = expected[axis] = 0
        if not same_shape(tuple(rest), tuple(expected)):
            message = f"cannot join {shape_text(first)} and {shape_text(tensor.shape)} along axis {axis}"
            unequal = [pair for pair in zip(rest, expected, strict=False) if not same(*pair)]
            raise ShapeError.of_sizes(message, *unequal[0]) if unequal else ShapeError(message)
    return (*first[:axis], add_all(tensor.shape[axis] for tensor in inputs), *first[axis + 1 :])


def _repeat_types(op: ops.Repeat) -> tuple[ops.TensorType, ...]:
    finals = op.body.outputs[: op.carried]
    stacked = op.body.outputs[op.carried :]
    end = op.start if op.reverse else op.last
    return (
        *((at_index(tensor.shape, op.index, end), tensor.dtype) for tensor in finals),
        *((stacked_shape(op, tensor.shape), tensor.dtype) for tensor in stacked),
    )


def at_index(shape: Shape, index: Dim | None, value: Dim) -> Shape:
    """A body's shape at one value of the iteration index."""
    return shape if index is None else tuple(substitute(dim, {index: value}) for dim in shape)


def stacked_shape(op: ops.Repeat, shape: Shape) -> Shape:
    """The shape of the stack over all iterations of tensors of a body's shape; flat if that shape depends on the index."""
    if op.index is None:
        return (op.times, *shape)
    return (sum_over(product(shape), op.index, op.start, op.last),)
