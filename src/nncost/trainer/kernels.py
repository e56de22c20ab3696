"""Core operations as NumPy calls on float arrays, chosen once for each node instead of at each run.

Where nothing is gained the call is that of ``ir.execute``; the others give the same numbers faster, because
they need not work on scalars that count themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Union, cast

import numpy as np

from nncost.ir import execute, ops
from nncost.ir.elementary import ARRAYS
from nncost.ir.graph import Node
from nncost.ir.scalars import SCALARS

Array = Any
Call = Callable[..., Any]
"""Takes the node's inputs; gives its output, or a sequence of them where there are several."""

_REAL = ("float32", "float64")
_DIRECT: dict[str, Call] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "neg": np.negative,
    "sqrt": np.sqrt, "square": np.square, "exp": np.exp, "log": np.log, "tanh": np.tanh,
    "max": np.maximum, "min": np.minimum,
}  # fmt: skip


def _open_sigmoid(x: Array) -> Array:
    """As ``execute``'s, kept off 0 and 1, which a sigmoid never reaches: their logarithms have no value."""
    limits = np.finfo(x.dtype)
    return np.clip(ARRAYS.sigmoid(x), limits.tiny, 1 - limits.epsneg)


def call_of(node: Node, dtype: str) -> Call:
    """The NumPy call of one node; Random and Repeat, which need more than their inputs, are the plan's."""
    op = node.op
    if isinstance(op, ops.Map) and op.function == "sigmoid" and dtype in _REAL:
        return _open_sigmoid
    if isinstance(op, ops.Map):
        return _DIRECT.get(op.function) or partial(SCALARS[op.function].value, ARRAYS)
    if isinstance(op, ops.Contract):
        return _contraction(op, node)
    if isinstance(op, ops.Reduce):
        return partial(execute._UFUNCS[op.function].reduce, axis=op.axes)
    if isinstance(op, ops.ArgReduce):
        return partial(_extreme, np.argmax if op.function == "max" else np.argmin, op.axis)
    if isinstance(op, (ops.Reshape, ops.Transpose, ops.Stride, ops.Broadcast, ops.Split, ops.Window, ops.Fold)):
        return _move(op)
    if len(node.outputs) == 1:
        return lambda *x: execute._apply(op, x, dtype)[0]
    return lambda *x: execute._apply(op, x, dtype)


def _move(op: Union[ops.AnyMove, ops.Window, ops.Fold]) -> Call:
    match op:
        case ops.Reshape():
            shape = execute._integers(op.shape)
            return lambda x: x.reshape(shape)
        case ops.Transpose(order=order):
            return lambda x: x.transpose(order)
        case ops.Stride(axis=axis, step=step):
            index = (slice(None),) * axis + (slice(None, None, step),)
            return lambda x: x[index]
        case ops.Broadcast():
            return partial(_broadcast, execute._integers(op.shape))
        case ops.Split(axis=axis):
            ends = np.cumsum(execute._integers(op.sizes))
            starts = [0, *ends[:-1]]
            pieces = [(slice(None),) * axis + (slice(int(a), int(z)),) for a, z in zip(starts, ends, strict=True)]
            return lambda x: [x[piece] for piece in pieces]
        case ops.Window():
            return partial(_window, op)
        case _:
            return lambda *x: execute._apply(op, x, "float64")[0]


def _broadcast(shape: tuple[int, ...], x: Array) -> Array:
    """As ``np.broadcast_to``, without its checks: sizes of one and new axes get a stride of zero."""
    new = len(shape) - x.ndim
    strides = [0] * new + [
        stride if size == wanted else 0 for size, wanted, stride in zip(x.shape, shape[new:], x.strides, strict=True)
    ]
    return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)


def _window(op: ops.Window, x: Array) -> Array:
    """As ``execute``'s, by strides: tap axes are steps of the dilation, positions steps of the stride."""
    shape, strides = list(x.shape), list(x.strides)
    sizes = cast("tuple[int, ...]", op.sizes)
    for axis, size, stride, dilation in zip(op.axes, sizes, op.strides, op.dilations, strict=True):
        shape[axis] = (x.shape[axis] - dilation * (size - 1) - 1) // stride + 1
        strides[axis] = x.strides[axis] * stride
        shape.append(size)
        strides.append(x.strides[axis] * dilation)
    return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)


def _extreme(choose: Call, axis: int, x: Array) -> tuple[Array, Array]:
    index = choose(x, axis=axis)
    return np.take_along_axis(x, np.expand_dims(index, axis), axis).squeeze(axis), index


def _contraction(op: ops.Contract, node: Node) -> Call:
    """An einsum as one ``matmul``; a plain matrix product goes without the reordering."""
    left, right, out = op.terms
    if len(left) == len(right) == len(out) == 2:
        plain = _matrix_product(left, right, out)
        if plain is not None:
            return plain
    return partial(execute._contract, op)


def _matrix_product(left: str, right: str, out: str) -> Call | None:
    rows, columns = out[0], out[1]
    if rows not in left or columns not in right or rows == columns:
        return None
    flipped_left, flipped_right = left[0] != rows, right[1] != columns
    if flipped_left and flipped_right:
        return lambda a, c: a.T @ c.T
    if flipped_left:
        return lambda a, c: a.T @ c
    if flipped_right:
        return lambda a, c: a @ c.T
    return lambda a, c: a @ c
