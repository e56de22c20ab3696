"""The values of single tensors while a graph is still under construction, computed by NumPy on demand.

Only the nodes that a tensor needs are run, each once: known sizes and constants are folded so, and values that a
caller's own arrays decide are looked up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from nncost.errors import SymbolError
from nncost.ir import ops
from nncost.ir.dtypes import INTEGER_DTYPES
from nncost.ir.elementary import ARRAYS
from nncost.ir.execute import node_call
from nncost.ir.graph import Item, Node, Tensor, walk
from nncost.ir.numpy_calls import Array, ArrayCall, integers, results_of
from nncost.ir.size_functions import SIZES

MAX_CONSTANT_BYTES, MAX_GIVEN_BYTES = 2**24, 2**30
"""The largest array that is made to learn a value: of a constant, and of what a caller's own arrays decide."""
MAX_TIMES = 4096
"""Iterations of the longest loop that is run to learn a value."""
_FAILURES = (ArithmeticError, LookupError, MemoryError, NotImplementedError, SymbolError, TypeError, ValueError)
"""What NumPy says to operands that do not fit, and we to sizes that are symbols."""
MAX_SYMBOLIC = 4096
"""Elements of the largest array of sizes that are followed as symbols."""


class NoValueError(ValueError):
    """A tensor whose value does not follow from what is known."""


class Values:
    """The values of tensors: those that are known from the start, and those that nodes compute from them.

    ``most`` bytes are made of any one tensor.
    """

    def __init__(self, known: Mapping[Tensor, Array] | None = None, most: int = MAX_CONSTANT_BYTES) -> None:
        self.known: dict[Tensor, Array] = dict(known or {})
        self.most = most
        self._producers: dict[Tensor, Node] = {}

    def add(self, items: Iterable[Item]) -> None:
        """Learn which nodes compute which tensors."""
        for node in walk(list(items)):
            for tensor in node.outputs:
                self._producers[tensor] = node

    def of(self, tensor: Tensor) -> Array:
        """Return a tensor's value. Raise NoValueError if it depends on data, chance or something unknown."""
        waiting = [tensor]
        while waiting:
            wanted = waiting[-1]
            if wanted in self.known:
                waiting.pop()
                continue
            node = self._producer(wanted)
            missing = [each for each in node.inputs if each not in self.known]
            if missing:
                waiting.extend(missing)
            else:
                self._run(node)
        return self.known[tensor]

    def _producer(self, tensor: Tensor) -> Node:
        node = self._producers.get(tensor)
        if node is None or isinstance(node.op, (ops.Random, ops.Opaque)):
            raise NoValueError("it depends on data")
        if any(_bytes(each) > self.most for each in node.outputs) or _is_long(node.op):
            raise NoValueError("it is too large to be followed")
        return node

    def _run(self, node: Node) -> None:
        operands = [self.known[tensor] for tensor in node.inputs]
        symbolic = any(operand.dtype == object for operand in operands) or _makes_symbols(node.op)
        try:
            if symbolic:
                operands = [_as_index(x) if n in _indices(node.op) else _as_sizes(x) for n, x in enumerate(operands)]
            with np.errstate(all="ignore"):
                call = _call_on_sizes(node) if symbolic else node_call(node, ARRAYS)
                results = results_of(call, operands, len(node.outputs))
        except _FAILURES as error:
            raise NoValueError(str(error)) from None
        self.known.update(zip(node.outputs, map(np.asarray, results), strict=True))


def _is_long(op: ops.Op) -> bool:
    return isinstance(op, ops.Repeat) and not (isinstance(op.times, int) and op.times <= MAX_TIMES)


def _call_on_sizes(node: Node) -> ArrayCall:
    match node.op:
        case ops.Constant(kind="fill", shape=shape, value=value):
            return lambda: np.broadcast_to(np.asarray(value, dtype=object), integers(shape))
        case ops.Cast(dtype="bool"):
            return lambda x: SIZES.not_equal(x, np.asarray(0, dtype=object))
        case ops.Cast(dtype=dtype):
            return SIZES.trunc if dtype in INTEGER_DTYPES else lambda x: x
        case _:
            return node_call(node, SIZES)


def _bytes(tensor: Tensor) -> int:
    """The bytes of a tensor; zero for one whose size is a symbol, which fails where it is made."""
    return tensor.bytes if isinstance(tensor.bytes, int) else 0


def _makes_symbols(op: ops.Op) -> bool:
    return isinstance(op, ops.Constant) and op.kind == "fill" and hasattr(op.value, "free_symbols")


def _indices(op: ops.Op) -> tuple[int, ...]:
    """Which operands are indices, which are no sizes."""
    return (1,) if isinstance(op, (ops.Gather, ops.Scatter)) else ()


def _as_index(values: Array) -> Array:
    """Whole numbers. Raise TypeError for symbols."""
    return np.asarray([int(value) for value in values.flat], dtype=np.int64).reshape(values.shape)


def _as_sizes(values: Array) -> Array:
    """An array whose elements are Python integers, exact fractions, truth values or symbols."""
    if values.dtype == object or values.dtype == bool:
        return values
    if values.size > MAX_SYMBOLIC:
        raise NoValueError("it is too large to be followed as symbols")
    if values.dtype.kind in "iu":
        return np.asarray(values, dtype=object)
    import sympy

    exact = np.frompyfunc(lambda number: sympy.Rational(float(number)) if np.isfinite(number) else float(number), 1, 1)
    return np.asarray(exact(values), dtype=object)
