"""Core operations as NumPy calls, chosen once per operation, on arrays of floats or of any scalar objects.

On object arrays ``@`` and the reductions of NumPy perform exactly k products and k−1 additions for a sum of k
terms, so that scalars which count themselves prove the counts with the very calls that run on floats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, assert_never, cast

import numpy as np

from nncost.dims import Shape, is_symbolic
from nncost.errors import SymbolError
from nncost.ir import ops
from nncost.ir.elementary import ARRAYS, Arrays
from nncost.ir.graph import Node
from nncost.ir.numpy_types import OWN, is_own, limits_of, numpy_dtype, working_dtype
from nncost.ir.scalars import SCALARS

Array = Any
ArrayCall = Callable[..., Any]
"""Takes an operation's inputs and returns its output, or a sequence of outputs if it has several."""

_UFUNCS: Mapping[str, np.ufunc] = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}
_DIRECT: Mapping[str, ArrayCall] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "sqrt": np.sqrt, "exp": np.exp,
    "log": np.log, "tanh": np.tanh, "max": np.maximum, "min": np.minimum, "neg": np.negative, "square": np.square,
}  # fmt: skip
"""Functions whose value is one call: the table's way around it takes longer than a small array."""


def call_of(op: ops.Op, dtype: str | None, functions: Any = ARRAYS) -> ArrayCall:
    """The NumPy call of an operation; ``dtype`` is the type of floating-point constants and casts, None the declared one.

    ``functions`` is the namespace that elementwise functions compute in.

    Raise SymbolError for a size that is a symbol, NotImplementedError for an operation that can only be counted.
    """
    match op:
        case ops.Contract():
            return _contraction(op)
        case ops.Map(function=name):
            direct = _DIRECT.get(name) if isinstance(functions, Arrays) else None
            return direct or partial(SCALARS[name].value, functions)
        case ops.Reduce(function=name, axes=axes):
            return partial(_reduced, name, axes)
        case ops.ArgReduce(function=name, axis=axis):
            return partial(_extreme, np.argmax if name == "max" else np.argmin, axis)
        case ops.Scan(function=name, axis=axis):
            return partial(_scanned, _UFUNCS[name].accumulate, axis)
        case ops.Window():
            return partial(_window, op)
        case ops.Fold():
            return partial(_fold, op)
        case ops.Reshape(shape=shape):
            sizes = integers(shape)
            return lambda x: x.reshape(sizes)
        case ops.Transpose(order=order):
            return lambda x: x.transpose(order)
        case ops.Pad():
            return partial(_pad, op)
        case ops.Split():
            return _split(op)
        case ops.Concat(axis=axis):
            return lambda *x: np.concatenate(x, axis=axis)
        case ops.Stride(axis=axis, step=step):
            return partial(_taken, (*(slice(None),) * axis, slice(None, None, step)))
        case ops.Broadcast(shape=shape):
            return partial(_broadcast, integers(shape))
        case ops.Flip(axes=axes):
            return lambda x: np.flip(x, axes)
        case ops.Gather(axis=axis, along=along):
            return partial(_taken_along, axis) if along else partial(np.take, axis=axis)
        case ops.Scatter():
            return partial(_scatter, op)
        case ops.Sort(axis=axis):
            return partial(_sort, axis)
        case ops.Cast(dtype=target, saturate=saturate):
            return partial(_cast, dtype if dtype and "float" in target else target, saturate)
        case ops.Constant():
            return partial(_constant, op, dtype)
        case ops.Algorithm(run=run) if run is not None:
            return run
        case ops.Algorithm(name=name) | ops.Opaque(name=name):
            raise NotImplementedError(f"{name} can be counted but not run")
        case ops.Repeat() | ops.Random():
            raise AssertionError("prepared by the executor, which has the body and the random source")
        case _:
            assert_never(op)


_AS_STORED = (ops.Move, ops.Window, ops.Gather, ops.Cast, ops.Constant, ops.Algorithm)
"""Operations that compute nothing, or say themselves what they compute in."""


def widened(node: Node, call: ArrayCall) -> ArrayCall:
    """A node's call in a type that NumPy computes in, its results in the types that the graph declares.

    Sums of a type that NumPy lacks round after each term, as the evaluator of ONNX does; products are added up wide.
    """
    if (
        isinstance(node.op, _AS_STORED)
        or _adds_as_stored(node)
        or all(is_own(tensor.dtype) for tensor in (*node.inputs, *node.outputs))
    ):
        return call
    wide = [None if is_own(tensor.dtype) else numpy_dtype(working_dtype(tensor.dtype)) for tensor in node.inputs]
    declared = [numpy_dtype(tensor.dtype) for tensor in node.outputs]

    def run(*x: Array) -> Any:
        given = [array if dtype is None else array.astype(dtype) for array, dtype in zip(x, wide, strict=True)]
        results = results_of(call, given, len(declared))
        found = [np.asarray(result).astype(dtype) for result, dtype in zip(results, declared, strict=True)]
        return found if len(found) > 1 else found[0]

    return run


def _adds_as_stored(node: Node) -> bool:
    return isinstance(node.op, ops.Reduce) and "float" in node.inputs[0].dtype and node.inputs[0].dtype not in OWN


def integers(shape: Shape) -> tuple[int, ...]:
    """The sizes as numbers. Raise SymbolError for a size that is a symbol."""
    for dim in shape:
        if is_symbolic(dim):
            raise SymbolError(f"cannot run a graph whose size {dim} is a symbol", hint="Bind it, e.g. --symbol h=128.")
    return cast("tuple[int, ...]", tuple(shape))


# ------------------------------------------------------------------- contractions and reductions
def _contraction(op: ops.Contract) -> ArrayCall:
    """An einsum as one ``@``: batch letters, rows, columns and a single summed axis."""
    left, right, out = op.terms
    plain = _matrix_product(left, right, out)
    if plain is not None:
        return plain
    batch = [letter for letter in out if letter in left and letter in right]
    rows = [letter for letter in out if letter in left and letter not in right]
    columns = [letter for letter in out if letter in right and letter not in left]
    summed = [letter for letter in left if letter not in out]
    left_order = [left.index(letter) for letter in (*batch, *rows, *summed)]
    right_order = [right.index(letter) for letter in (*batch, *summed, *columns)]
    made = [*batch, *rows, *columns]
    order = [made.index(letter) for letter in out]

    def call(a: Array, c: Array) -> Array:
        size = {**dict(zip(left, a.shape, strict=True)), **dict(zip(right, c.shape, strict=True))}
        b, r, s, n = (math.prod(size[letter] for letter in group) for group in (batch, rows, summed, columns))
        result = a.transpose(left_order).reshape(b, r, s) @ c.transpose(right_order).reshape(b, s, n)
        return result.reshape([size[letter] for letter in made]).transpose(order)

    return call


def _matrix_product(left: str, right: str, out: str) -> ArrayCall | None:
    """A product of two matrices, either of them transposed; None for any other contraction."""
    if not len(left) == len(right) == len(out) == 2 or out[0] not in left or out[1] not in right or out[0] == out[1]:
        return None
    flips = left[0] != out[0], right[1] != out[1]
    calls: Mapping[tuple[bool, bool], ArrayCall] = {
        (False, False): lambda a, c: a @ c, (False, True): lambda a, c: a @ c.T,
        (True, False): lambda a, c: a.T @ c, (True, True): lambda a, c: a.T @ c.T,
    }  # fmt: skip
    return calls[flips]


def _reduced(function: str, axes: tuple[int, ...], x: Array) -> Array:
    """Whole numbers keep their type; the extreme of no elements is the lowest or the highest number there is."""
    if function in ("max", "min") and x.size == 0:
        low, high = limits_of(x.dtype)
        return _UFUNCS[function].reduce(x, axis=axes, initial=low if function == "max" else high)
    return _UFUNCS[function].reduce(x, axis=axes, dtype=x.dtype if x.dtype.kind in "iu" else None)


def _scanned(accumulate: ArrayCall, axis: int, x: Array) -> Array:
    return accumulate(x, axis=axis, dtype=x.dtype if x.dtype.kind in "iu" else None)


def _extreme(choose: ArrayCall, axis: int, x: Array) -> tuple[Array, Array]:
    """The extreme value and its index; the first one wins ties. Of nothing, nothing is extreme."""
    if x.size == 0:
        kept = x.shape[:axis] + x.shape[axis + 1 :]
        return np.zeros(kept, dtype=x.dtype), np.zeros(kept, dtype=np.int64)
    index = choose(x, axis=axis)
    return np.take_along_axis(x, np.expand_dims(index, axis), axis).squeeze(axis), index


def _sort(axis: int, x: Array) -> tuple[Array, Array]:
    order = np.argsort(x, axis=axis, kind="stable")
    return np.take_along_axis(x, order, axis=axis), order


# ------------------------------------------------------------------- windows
def _window(op: ops.Window, x: Array) -> Array:
    """A view by strides: tap axes are steps of the dilation, positions steps of the stride."""
    shape, strides = list(x.shape), list(x.strides)
    for axis, size, stride, dilation in zip(op.axes, integers(op.sizes), op.strides, op.dilations, strict=True):
        shape[axis] = (x.shape[axis] - dilation * (size - 1) - 1) // stride + 1
        strides[axis] = x.strides[axis] * stride
        shape.append(size)
        strides.append(x.strides[axis] * dilation)
    return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)


def _fold(op: ops.Fold, taps: Array) -> Array:
    rank = taps.ndim - len(op.axes)
    shape = list(taps.shape[:rank])
    for axis, length in zip(op.axes, integers(op.lengths), strict=True):
        shape[axis] = length
    result = np.zeros(shape, dtype=taps.dtype)
    for tap, target in op.slices(taps.shape):
        result[target] += taps[tap]
    return result


# ------------------------------------------------------------------- moves
def _taken(index: tuple[slice, ...], x: Array) -> Array:
    return x[index]


def _taken_along(axis: int, x: Array, index: Array) -> Array:
    """One element per index, which may be smaller than ``x`` along the other axes."""
    if x.shape[:axis] != index.shape[:axis] or x.shape[axis + 1 :] != index.shape[axis + 1 :]:
        x = x[tuple(slice(None) if n == axis else slice(0, size) for n, size in enumerate(index.shape))]
    return np.take_along_axis(x, index, axis)


def _split(op: ops.Split) -> ArrayCall:
    ends = np.cumsum(integers(op.sizes)).tolist()
    pieces = [(*(slice(None),) * op.axis, slice(a, z)) for a, z in zip([0, *ends[:-1]], ends, strict=True)]
    return partial(_taken, pieces[0]) if len(pieces) == 1 else lambda x: [x[piece] for piece in pieces]


def _broadcast(shape: tuple[int, ...], x: Array) -> Array:
    """As ``np.broadcast_to``, without its checks: sizes of one and new axes get a stride of zero."""
    new = len(shape) - x.ndim
    strides = [0] * new + [
        stride if size == wanted else 0 for size, wanted, stride in zip(x.shape, shape[new:], x.strides, strict=True)
    ]
    return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)


def _pad(op: ops.Pad, x: Array) -> Array:
    before, after = integers(op.before), integers(op.after)
    crop = tuple(slice(max(0, -b), n - max(0, -a)) for b, a, n in zip(before, after, x.shape, strict=True))
    widths = [(max(0, b), max(0, a)) for b, a in zip(before, after, strict=True)]
    return np.pad(x[crop], widths, constant_values=op.value)


def _scatter(op: ops.Scatter, values: Array, index: Array) -> Array:
    axis = op.axis
    tail = axis + 1 if op.along else axis + index.ndim
    result = np.zeros((*values.shape[:axis], *integers((op.size,)), *values.shape[tail:]), dtype=values.dtype)
    if op.along:
        grid = list(np.ogrid[tuple(slice(0, n) for n in index.shape)])
        grid[axis] = index
        np.add.at(result, tuple(grid), values)
    else:
        np.add.at(result, (*(slice(None),) * axis, index), values)
    return result


# ------------------------------------------------------------------- types and constants
def _cast(dtype: str, saturate: bool, x: Array) -> Array:
    """Scalar objects stay what they are unless whole numbers or truth values are asked for."""
    if x.dtype != object:
        return _saturated(x, dtype) if saturate else x.astype(numpy_dtype(dtype))
    if "float" in dtype or "complex" in dtype:
        return x
    return np.asarray(np.frompyfunc(float, 1, 1)(x), dtype="float64").astype(dtype)


def _saturated(x: Array, dtype: str) -> Array:
    """Values beyond the range of the type become its bounds; infinities too, NaN stays where the type has it."""
    import ml_dtypes

    target, namespace = numpy_dtype(dtype), cast("Any", ml_dtypes)
    limits = namespace.finfo(target) if "float" in dtype else namespace.iinfo(target)
    return np.clip(x, *(np.asarray(limit).astype(x.dtype) for limit in (limits.min, limits.max))).astype(target)


def _constant(op: ops.Constant, dtype: str | None) -> Array:
    shape = integers(op.shape)
    kind = numpy_dtype(dtype if dtype and "float" in op.dtype else op.dtype)
    match op.kind:
        case "fill":
            return np.broadcast_to(np.asarray(op.value, dtype=kind), shape)
        case "iota":
            return np.arange(math.prod(shape), dtype=kind).reshape(shape)
        case "identity":
            return np.eye(shape[0], dtype=kind)
        case "array":
            return np.asarray(op.value() if callable(op.value) else op.value, dtype=kind).reshape(shape)
        case _:
            assert_never(op.kind)


def results_of(call: ArrayCall, arguments: Sequence[Array], outputs: int) -> Sequence[Array]:
    """A call's outputs as a sequence, also if there is only one."""
    result = call(*arguments)
    return (result,) if outputs == 1 else result
