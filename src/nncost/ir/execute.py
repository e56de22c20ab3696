"""Run a graph on NumPy arrays: of floats, or of any scalar objects, such as ones that count themselves.

The graph that is counted is the graph that is run, so a scalar that records its own operations
proves every count (``tests/proof``). Object arrays use ``@`` and ``ufunc.reduce``, which
perform exactly k products and k−1 additions for a sum of k terms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never, cast

import numpy as np

from nncost.dims import Shape, is_symbolic
from nncost.errors import SymbolError
from nncost.ir import ops
from nncost.ir.elementary import ARRAYS
from nncost.ir.free import folds
from nncost.ir.graph import Graph, Node, Tensor
from nncost.ir.scalars import SCALARS

Array = Any
RandomSource = Callable[[tuple[int, ...]], Array]
Environment = dict[Tensor, Array]


def execute(
    graph: Graph,
    feeds: Mapping[Tensor, Array],
    *,
    random: RandomSource | None = None,
    dtype: str = "float64",
    observe: Callable[[Node], None] | None = None,
    lift: Callable[[Array], Array] | None = None,
) -> Environment:
    """Every tensor of the graph with its value.

    ``feeds`` give the inputs and parameters; ``random(shape)`` supplies uniform numbers;
    ``dtype`` is the type of floating-point constants; ``observe`` is told each node before it runs,
    in bodies of Repeat too; ``lift`` turns plain numbers in an object array (the zeros of a padding
    or of a closed ReLU) into scalars like the others.
    Raises SymbolError for a graph whose sizes are not all numbers.
    """
    machine = _Machine(random if random is not None else np.random.default_rng(0).random, dtype, observe, lift)
    return machine.run(graph, feeds)


@dataclass(frozen=True, slots=True)
class _Machine:
    random: RandomSource
    dtype: str
    observe: Callable[[Node], None] | None
    lift: Callable[[Array], Array] | None

    def run(self, graph: Graph, feeds: Mapping[Tensor, Array]) -> Environment:
        values: Environment = dict(feeds)
        constants: set[Tensor] = set()
        for node in graph.nodes():
            if self.observe is not None:
                self.observe(node)
            arguments = [values[tensor] for tensor in node.inputs]
            results = [np.asarray(result) for result in self._results(node.op, arguments)]
            if self.lift is not None:
                results = self._lifted(node, results, constants)
            values.update(zip(node.outputs, results, strict=True))
        return values

    def _lifted(self, node: Node, results: list[Array], constants: set[Tensor]) -> list[Array]:
        """Plain numbers among scalar objects as objects too, and what becomes a float and depends on a feed."""
        assert self.lift is not None
        if folds(node, constants):
            constants.update(node.outputs)
            return results
        becomes = isinstance(node.op, ops.Cast) and "float" in node.outputs[0].dtype
        return [self.lift(result) if becomes or result.dtype == object else result for result in results]

    def _results(self, op: ops.Op, arguments: Sequence[Array]) -> Sequence[Array]:
        if isinstance(op, ops.Repeat):
            return self._repeat(op, arguments)
        if isinstance(op, ops.Random):
            return (self.random(_integers(op.shape)),)
        return _apply(op, arguments, self.dtype)

    def _repeat(self, op: ops.Repeat, x: Sequence[Array]) -> list[Array]:
        times = _integers((op.times,))[0]
        carried, scanned = list(x[: op.carried]), x[op.carried : op.carried + op.scanned]
        invariant = x[op.carried + op.scanned :]
        collected: list[list[Array]] = [[] for _ in op.body.outputs[op.carried :]]
        for step in reversed(range(times)) if op.reverse else range(times):
            feeds = dict(zip(op.body.inputs, [*carried, *(s[step] for s in scanned), *invariant], strict=True))
            values = self.run(op.body, feeds)
            results = [values[tensor] for tensor in op.body.outputs]
            carried = results[: op.carried]
            for pile, result in zip(collected, results[op.carried :], strict=True):
                pile.append(result)
        if op.reverse:
            collected = [pile[::-1] for pile in collected]
        return [*carried, *(np.stack(pile) for pile in collected)]


def _integers(shape: Shape) -> tuple[int, ...]:
    for dim in shape:
        if is_symbolic(dim):
            raise SymbolError(f"cannot run a graph whose size {dim} is a symbol", hint="Bind it, e.g. --set h=128.")
    return cast("tuple[int, ...]", shape)


def _apply(op: ops.Op, x: Sequence[Array], dtype: str) -> Sequence[Array]:
    match op:
        case ops.Contract():
            return (_contract(op, x[0], x[1]),)
        case ops.Map(function=name):
            return (SCALARS[name].value(ARRAYS, *x),)
        case ops.Reduce(function=name, axes=axes):
            return (_UFUNCS[name].reduce(_last(x[0], axes), axis=-1),)
        case ops.ArgReduce(function=name, axis=axis):
            return _arg_reduce(name, np.moveaxis(x[0], axis, 0))
        case ops.Scan(function=name, axis=axis):
            return (_UFUNCS[name].accumulate(x[0], axis=axis),)
        case ops.Window():
            return (_window(op, x[0]),)
        case ops.Fold():
            return (_fold(op, x[0]),)
        case ops.Move():
            return _move(op, x)
        case ops.Gather(axis=axis, along=along):
            return (np.take_along_axis(x[0], x[1], axis=axis) if along else np.take(x[0], x[1], axis=axis),)
        case ops.Scatter():
            return (_scatter(op, *x),)
        case ops.Sort(axis=axis):
            order = np.argsort(x[0], axis=axis, kind="stable")
            return np.take_along_axis(x[0], order, axis=axis), order
        case ops.Cast(dtype=target):
            return (_cast(x[0], dtype if "float" in target else target),)
        case ops.Constant():
            return (_constant(op, dtype),)
        case ops.Algorithm(name=name) | ops.Opaque(name=name):
            raise NotImplementedError(f"{name} can be counted but not run")
        case ops.Repeat() | ops.Random():
            raise AssertionError("run by the caller, which holds the random source")
        case _:
            assert_never(op)


def _cast(x: Array, dtype: str) -> Array:
    """Scalar objects stay what they are, except where whole numbers or truth values are asked for."""
    if x.dtype != object:
        return x.astype(dtype)
    if "float" in dtype or "complex" in dtype:
        return x
    return np.asarray(np.frompyfunc(float, 1, 1)(x), dtype="float64").astype(dtype)


_UFUNCS: Mapping[str, np.ufunc] = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}


def _last(x: Array, axes: Sequence[int]) -> Array:
    """The given axes merged into one at the end."""
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    merged = math.prod(x.shape[axis] for axis in axes)
    return x.transpose([*kept, *axes]).reshape([x.shape[axis] for axis in kept] + [merged])


def _contract(op: ops.Contract, left: Array, right: Array) -> Array:
    """An einsum as one ``@``: batch letters, rows, columns and a single summed axis."""
    a, c, out = op.terms
    batch = [letter for letter in out if letter in a and letter in c]
    rows = [letter for letter in out if letter in a and letter not in c]
    columns = [letter for letter in out if letter in c and letter not in a]
    summed = [letter for letter in a if letter not in out]
    size = {**dict(zip(a, left.shape, strict=True)), **dict(zip(c, right.shape, strict=True))}

    def grouped(x: Array, letters: str, *groups: list[str]) -> Array:
        order = [letters.index(letter) for group in groups for letter in group]
        return x.transpose(order).reshape([math.prod(size[letter] for letter in group) for group in groups])

    result = grouped(left, a, batch, rows, summed) @ grouped(right, c, batch, summed, columns)
    letters = [*batch, *rows, *columns]
    return result.reshape([size[letter] for letter in letters]).transpose([letters.index(letter) for letter in out])


def _arg_reduce(function: str, x: Array) -> tuple[Array, Array]:
    """The extreme slice and its index, one comparison for each further element; the first one wins ties."""
    better = np.greater if function == "max" else np.less
    best, index = x[0], np.zeros(x.shape[1:], dtype=np.int64)
    for position in range(1, x.shape[0]):
        wins = better(x[position], best)
        best, index = np.where(wins, x[position], best), np.where(wins, position, index)
    return best, index


def _window(op: ops.Window, x: Array) -> Array:
    reaches = [d * (cast("int", s) - 1) + 1 for s, d in zip(op.sizes, op.dilations, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(x, reaches, axis=op.axes)
    index: list[slice] = [slice(None)] * view.ndim
    for number, (axis, stride, dilation) in enumerate(zip(op.axes, op.strides, op.dilations, strict=True)):
        index[axis] = slice(None, None, stride)
        index[x.ndim + number] = slice(None, None, dilation)
    return view[tuple(index)]


def _fold(op: ops.Fold, taps: Array) -> Array:
    rank = taps.ndim - len(op.axes)
    shape = list(taps.shape[:rank])
    for axis, length in zip(op.axes, op.lengths, strict=True):
        shape[axis] = cast("int", length)
    result = np.zeros(shape, dtype=taps.dtype)
    for tap in np.ndindex(*taps.shape[rank:]):
        place = [slice(None)] * rank
        for axis, offset, stride, dilation in zip(op.axes, tap, op.strides, op.dilations, strict=True):
            first = offset * dilation
            place[axis] = slice(first, first + stride * (taps.shape[axis] - 1) + 1, stride)
        result[tuple(place)] += taps[(..., *tap)]
    return result


def _move(op: ops.AnyMove, x: Sequence[Array]) -> Sequence[Array]:
    match op:
        case ops.Reshape(shape=shape):
            return (x[0].reshape(_integers(shape)),)
        case ops.Transpose(order=order):
            return (x[0].transpose(order),)
        case ops.Pad():
            return (_pad(op, x[0]),)
        case ops.Split(axis=axis, sizes=sizes):
            return np.split(x[0], np.cumsum(_integers(sizes))[:-1], axis=axis)
        case ops.Concat(axis=axis):
            return (np.concatenate(x, axis=axis),)
        case ops.Stride(axis=axis, step=step):
            return (x[0][(slice(None),) * axis + (slice(None, None, step),)],)
        case ops.Broadcast(shape=shape):
            return (np.broadcast_to(x[0], _integers(shape)),)
        case ops.Flip(axes=axes):
            return (np.flip(x[0], axes),)
        case _:
            assert_never(op)


def _pad(op: ops.Pad, x: Array) -> Array:
    before, after = cast("tuple[int, ...]", op.before), cast("tuple[int, ...]", op.after)
    crop = tuple(slice(max(0, -b), n - max(0, -a)) for b, a, n in zip(before, after, x.shape, strict=True))
    widths = [(max(0, b), max(0, a)) for b, a in zip(before, after, strict=True)]
    return np.pad(x[crop], widths, constant_values=op.value)


def _scatter(op: ops.Scatter, values: Array, index: Array) -> Array:
    axis = op.axis
    tail = axis + 1 if op.along else axis + index.ndim
    result = np.zeros((*values.shape[:axis], cast("int", op.size), *values.shape[tail:]), dtype=values.dtype)
    if op.along:
        grid = list(np.ogrid[tuple(slice(0, n) for n in index.shape)])
        grid[axis] = index
        np.add.at(result, tuple(grid), values)
    else:
        np.add.at(result, (*(slice(None),) * axis, index), values)
    return result


def _constant(op: ops.Constant, dtype: str) -> Array:
    shape = _integers(op.shape)
    kind = dtype if "float" in op.dtype else op.dtype
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
