"""The operations that a step executes: its graph is run on numbers that count their own operations."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nncost.ir.execute import execute
from nncost.ir.graph import Graph, Tensor
from nncost.trainer.tables.table import Array

MAX_COUNTED = 1_000_000
"""Operations that are counted one by one: about half a second."""
Tally = Counter[str]


def executed_operations(graph: Graph, feeds: Mapping[Tensor, Array]) -> Tally:
    """The operations on floating-point numbers of one run, by quantity as the ledger names them."""
    tally: Tally = Counter()
    lift = np.frompyfunc(lambda x: x if isinstance(x, Counting) else Counting(x, tally), 1, 1)
    given = {tensor: _objects(lift, values) if values.dtype.kind == "f" else values for tensor, values in feeds.items()}
    rng = np.random.default_rng(0)

    def random(shape: tuple[int, ...]) -> Array:
        tally["random"] += math.prod(shape)
        return _objects(lift, rng.random(shape))

    execute(graph, given, random=random, lift=lambda values: _objects(lift, values))
    return tally


def _objects(lift: Callable[[Array], Array], values: Array) -> Array:
    return np.asarray(lift(values), dtype=object)


class Counting:
    """A float that notes every operation it takes part in; what has no value becomes NaN, as in an array."""

    __slots__ = ("tally", "value")

    def __init__(self, value: Any, tally: Tally) -> None:
        self.value, self.tally = float(value), tally

    def note(self, quantity: str, operation: Callable[..., float], *operands: float) -> Counting:
        """Count one operation and give its result."""
        self.tally[quantity] += 1
        try:
            return Counting(operation(*operands), self.tally)
        except (ValueError, OverflowError, ZeroDivisionError):
            return Counting(math.nan, self.tally)

    def __add__(self, other: Any) -> Counting:
        return self.note("add", float.__add__, self.value, float(other))

    def __sub__(self, other: Any) -> Counting:
        return self.note("add", float.__sub__, self.value, float(other))

    def __rsub__(self, other: Any) -> Counting:
        return self.note("add", float.__sub__, float(other), self.value)

    def __mul__(self, other: Any) -> Counting:
        return self.note("mul", float.__mul__, self.value, float(other))

    def __truediv__(self, other: Any) -> Counting:
        return self.note("div", float.__truediv__, self.value, float(other))

    def __rtruediv__(self, other: Any) -> Counting:
        return self.note("div", float.__truediv__, float(other), self.value)

    def __pow__(self, other: Any) -> Counting:
        return self.note("pow", math.pow, self.value, float(other))

    __radd__, __rmul__ = __add__, __mul__

    def __rpow__(self, other: Any) -> Counting:
        return self.note("pow", math.pow, float(other), self.value)

    def __neg__(self) -> Counting:
        return Counting(-self.value, self.tally)

    def __abs__(self) -> Counting:
        return Counting(abs(self.value), self.tally)

    def __float__(self) -> float:
        return self.value

    def compared(self, result: bool) -> bool:
        """Count one comparison."""
        self.tally["cmp"] += 1
        return result

    def __gt__(self, other: Any) -> bool:
        return self.compared(self.value > float(other))

    def __ge__(self, other: Any) -> bool:
        return self.compared(self.value >= float(other))

    def __lt__(self, other: Any) -> bool:
        return self.compared(self.value < float(other))

    def __le__(self, other: Any) -> bool:
        return self.compared(self.value <= float(other))

    def __eq__(self, other: object) -> bool:
        return self.compared(self.value == float(other))  # type: ignore[arg-type]

    def __ne__(self, other: object) -> bool:
        return self.compared(self.value != float(other))  # type: ignore[arg-type]

    __hash__ = None  # type: ignore[assignment]

    def selected(self) -> None:
        """Take part in a selection."""
        self.tally["cmp"] += 1

    def sign(self) -> Counting:
        """−1, 0 or 1; free by rule."""
        return Counting(math.copysign(1.0, self.value) if self.value else 0.0, self.tally)

    def __floor__(self) -> Counting:
        return Counting(np.floor(self.value), self.tally)

    def __ceil__(self) -> Counting:
        return Counting(np.ceil(self.value), self.tally)

    def __trunc__(self) -> Counting:
        return Counting(np.trunc(self.value), self.tally)

    def rint(self) -> Counting:
        """The nearest whole number; free by rule."""
        return Counting(np.rint(self.value), self.tally)

    def exp(self) -> Counting:
        """e to the power of it."""
        return self.note("exp", math.exp, self.value)

    def log(self) -> Counting:
        """Its logarithm."""
        return self.note("log", math.log, self.value)

    def tanh(self) -> Counting:
        """Its hyperbolic tangent."""
        return self.note("tanh", math.tanh, self.value)

    def sigmoid(self) -> Counting:
        """1/(1+e^−x), as the hyperbolic tangent of half of it, which does not overflow."""
        return self.note("sigmoid", lambda x: (1 + math.tanh(x / 2)) / 2, self.value)

    def erf(self) -> Counting:
        """Its error function."""
        return self.note("erf", math.erf, self.value)

    def sin(self) -> Counting:
        """Its sine."""
        return self.note("sin", math.sin, self.value)

    def cos(self) -> Counting:
        """Its cosine."""
        return self.note("cos", math.cos, self.value)

    def arctan(self) -> Counting:
        """Its arc tangent."""
        return self.note("atan", math.atan, self.value)

    def arctan2(self, other: Any) -> Counting:
        """The angle of the point (other, it)."""
        return self.note("atan", math.atan2, self.value, float(other))

    def sqrt(self) -> Counting:
        """Its square root."""
        return self.note("sqrt", math.sqrt, self.value)
