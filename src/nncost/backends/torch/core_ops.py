"""The core operations as PyTorch functions: what runs if PyTorch has no function for a layer."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, assert_never, cast

import numpy as np
import torch
from torch.nn import functional

from nncost.backends.operands import batch_free
from nncost.errors import SourceError
from nncost.ir import ops
from nncost.ir.batch_axes import Axes
from nncost.ir.graph import Node
from nncost.ir.numpy_types import WHOLE_BYTES, widely_known

Value = Any
Function = Callable[..., Value]


def function_of(node: Node, axes: Axes) -> Function:
    """A function of the node's operands. Raise SourceError for an operation that cannot be run."""
    op = node.op
    match op:
        case ops.Contract():
            return partial(torch.einsum, op.spec)
        case ops.Map(function=name):
            return MAPS[name]
        case ops.Reduce(function=name, axes=reduced):
            return partial(_reduce, name, reduced)
        case ops.ArgReduce(function=name, axis=axis):
            return partial(torch.max if name == "max" else torch.min, dim=axis)
        case ops.Scan(function=name, axis=axis):
            return partial(_scan, name, axis)
        case ops.Window():
            return partial(_window, op)
        case ops.Fold():
            return partial(_fold, op)
        case ops.Move():
            return _move(op, node, axes)
        case ops.Gather(axis=axis, along=along):
            return partial(_gather_along if along else _gather, axis)
        case ops.Scatter():
            return partial(_scatter, op)
        case ops.Sort(axis=axis):
            return partial(torch.sort, dim=axis, stable=True)
        case ops.Random(shape=shape):
            return partial(torch.rand, cast("tuple[int, ...]", shape))
        case ops.Cast(dtype=dtype):
            return partial(_cast, dtype_of(dtype))
        case ops.Algorithm(name=name) if name in PUTS:
            return PUTS[name]
        case ops.Algorithm(run=run) if run is not None:
            return partial(_NumPy.apply, run)
        case ops.Algorithm(name=name) | ops.Opaque(name=name):
            raise SourceError(
                f"{node.path or 'the network'}: {name} can be counted but not run.",
                hint="Leave the layer out, or run the network in its own framework.",
            )
        case ops.Constant() | ops.Repeat():
            raise AssertionError("known before the run, and built as a module")
        case _:
            assert_never(op)


def tensor_of(array: Any) -> torch.Tensor:
    """An array as a tensor; types that NumPy lacks are widened on the way."""
    return torch.from_numpy(widely_known(np.array(array, order="C")))


def dtype_of(name: str) -> torch.dtype:
    """PyTorch's type of that name. Raise SourceError for one it does not have."""
    found = getattr(torch, WHOLE_BYTES.get(name, name), None)
    if not isinstance(found, torch.dtype):
        raise SourceError(f"PyTorch has no element type {name!r}.", hint="For example: --dtype float32")
    return found


def _is_number(x: Value) -> bool:
    return not isinstance(x, torch.Tensor)


def _maximum(a: Value, c: Value) -> Value:
    if _is_number(c):
        return torch.clamp(a, min=c)
    return torch.clamp(c, min=a) if _is_number(a) else torch.maximum(a, c)


def _minimum(a: Value, c: Value) -> Value:
    if _is_number(c):
        return torch.clamp(a, max=c)
    return torch.clamp(c, max=a) if _is_number(a) else torch.minimum(a, c)


def _where_positive(x: Value, chosen: Value, otherwise: Value) -> Value:
    return torch.where(x > 0, chosen, otherwise)


def _where_between(x: Value, low: Value, high: Value, chosen: Value) -> Value:
    return torch.where((low < x) & (x < high), chosen, 0.0)


def _clip(x: Value, low: Value, high: Value) -> Value:
    return _minimum(_maximum(x, low), high) if not _is_number(low) else torch.clamp(x, low, high)


def _identity(x: Value) -> Value:
    return x


MAPS: Mapping[str, Function] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
    "square": torch.square, "neg": operator.neg, "abs": torch.abs, "sign": torch.sign, "floor": torch.floor,
    "ceil": torch.ceil, "trunc": torch.trunc, "round": torch.round, "identity": _identity, "sqrt": torch.sqrt,
    "exp": torch.exp, "log": torch.log, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "erf": torch.erf,
    "sin": torch.sin, "cos": torch.cos, "atan": torch.atan, "atan2": torch.atan2, "pow": operator.pow, "max": _maximum,
    "min": _minimum, "relu": torch.relu,
    "greater": operator.gt, "greater_equal": operator.ge, "equal": operator.eq, "not_equal": operator.ne,
    "and": operator.and_, "or": operator.or_, "xor": operator.xor, "not": operator.invert, "select": torch.where,
    "quotient": partial(torch.div, rounding_mode="trunc"), "floor_quotient": partial(torch.div, rounding_mode="floor"),
    "shift_left": torch.bitwise_left_shift, "shift_right": torch.bitwise_right_shift, "remainder": torch.remainder, "cut_remainder": torch.fmod, "where_positive": _where_positive, "clip": _clip, "where_between": _where_between,
}  # fmt: skip


class _NumPy(torch.autograd.Function):
    """An algorithm that NumPy runs; its gradient is unknown, and asking for it is an error."""

    @staticmethod
    def forward(ctx: Any, run: Function, *x: Value) -> Any:
        found = run(*(each.detach().cpu().numpy() for each in x))
        made = tuple(torch.from_numpy(np.array(each)) for each in (found if isinstance(found, tuple) else (found,)))
        return made if isinstance(found, tuple) else made[0]

    @staticmethod
    def backward(ctx: Any, *g: Value) -> Any:
        raise SourceError(
            "the gradient of an algorithm that NumPy runs is not known.", hint="Run it without gradients."
        )


def _put(how: str, rows: Value, at: Value, updates: Value) -> Value:
    flat = updates.reshape(at.numel(), *rows.shape[1:])
    index = at.reshape(-1, *(1,) * (rows.dim() - 1)).expand(flat.shape)
    return rows.scatter_reduce(0, index, flat, how)


PUTS: Mapping[str, Function] = {
    "put": lambda rows, at, updates: rows.index_put((at,), updates),
    "put_add": lambda rows, at, updates: rows.index_put((at,), updates, accumulate=True),
    "put_mul": partial(_put, "prod"), "put_max": partial(_put, "amax"), "put_min": partial(_put, "amin"),
}  # fmt: skip
"""Values put at rows, by the names that ``ir/library/places.py`` gives."""


def _reduce(name: str, axes: Sequence[int], x: Value) -> Value:
    if name == "prod":
        for axis in sorted(axes, reverse=True):
            x = torch.prod(x, dim=axis)
        return x
    if name == "sum":
        return torch.sum(x, dim=tuple(axes), dtype=x.dtype)
    return (torch.amax if name == "max" else torch.amin)(x, dim=tuple(axes))


def _gather_along(axis: int, x: Value, index: Value) -> Value:
    """One element per index; along the other axes there may be fewer indices than elements."""
    for other, size in enumerate(index.shape):
        if other != axis and size != x.shape[other]:
            x = x.narrow(other, 0, size)
    return torch.take_along_dim(x, index, dim=axis)


def _scan(name: str, axis: int, x: Value) -> Value:
    if name == "max":
        return torch.cummax(x, dim=axis).values
    return (torch.cumsum if name == "sum" else torch.cumprod)(x, dim=axis)


def _window(op: ops.Window, x: Value) -> Value:
    rank = x.dim()
    for axis, size, stride, dilation in zip(op.axes, op.sizes, op.strides, op.dilations, strict=True):
        reach = dilation * (cast("int", size) - 1) + 1
        x = x.unfold(axis, reach, stride)[..., ::dilation]
    assert x.dim() == rank + len(op.axes)
    return x


def _fold(op: ops.Fold, taps: Value) -> Value:
    rank = taps.dim() - len(op.axes)
    shape = list(taps.shape[:rank])
    for axis, length in zip(op.axes, op.lengths, strict=True):
        shape[axis] = cast("int", length)
    result = taps.new_zeros(shape)
    for tap, target in op.slices(taps.shape):
        result[target] += taps[tap]
    return result


def _move(op: ops.AnyMove, node: Node, axes: Axes) -> Function:
    match op:
        case ops.Reshape():
            return partial(torch.reshape, shape=batch_free(node.outputs[0], axes))
        case ops.Transpose(order=order):
            return partial(torch.permute, dims=order)
        case ops.Pad():
            return partial(_pad, op)
        case ops.Split(axis=axis, sizes=sizes):
            return partial(torch.split, split_size_or_sections=list(cast("tuple[int, ...]", sizes)), dim=axis)
        case ops.Concat(axis=axis):
            return partial(_concat, axis)
        case ops.Stride(axis=axis, step=step):
            return partial(_stride, axis, step)
        case ops.Broadcast(shape=shape):
            return partial(_expand, shape)
        case ops.Flip(axes=flipped):
            return partial(torch.flip, dims=flipped)
        case _:
            assert_never(op)


def _concat(axis: int, *parts: Value) -> Value:
    return torch.cat(parts, dim=axis)


def _stride(axis: int, step: int, x: Value) -> Value:
    return x[(slice(None),) * axis + (slice(None, None, step),)]


def _expand(shape: tuple[int, ...], x: Value) -> Value:
    ahead = len(shape) - x.dim()
    sizes = [size if axis < ahead or x.shape[axis - ahead] == 1 else -1 for axis, size in enumerate(shape)]
    return x.expand(sizes)


def _pad(op: ops.Pad, x: Value) -> Value:
    widths = list(zip(cast("tuple[int, ...]", op.before), cast("tuple[int, ...]", op.after), strict=True))
    return functional.pad(x, [width for pair in reversed(widths) for width in pair], value=op.value)


def _gather(axis: int, table: Value, index: Value) -> Value:
    return table[(slice(None),) * axis + (index,)]


def _scatter(op: ops.Scatter, values: Value, index: Value) -> Value:
    axis, size = op.axis, cast("int", op.size)
    if op.along:
        shape = (*values.shape[:axis], size, *values.shape[axis + 1 :])
        return values.new_zeros(shape).scatter_add(axis, index, values)
    tail = values.shape[axis + index.dim() :]
    flat = values.reshape(*values.shape[:axis], index.numel(), *tail)
    return values.new_zeros((*values.shape[:axis], size, *tail)).index_add(axis, index.reshape(-1), flat)


def _cast(dtype: torch.dtype, x: Value) -> Value:
    return x.to(dtype)
