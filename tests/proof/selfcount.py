"""Run a graph on numbers that count their own operations, and compare with the ledger, unit by unit."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from nncost.counting.ledger import Ledger, count_graph
from nncost.counting.quantities import PRIMITIVE
from nncost.ir.dtypes import INTEGER_DTYPES
from nncost.ir.execute import execute
from nncost.ir.graph import Graph, Node, Tensor


class Tally:
    """Counts operations under the layer and phase that are running."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.place = ("", "")

    def enter(self, node: Node) -> None:
        self.place = (node.path, node.phase)

    def record(self, quantity: str, times: int = 1) -> None:
        self.counts[(*self.place, quantity)] += times


class Counted:
    """A float that records every operation it takes part in."""

    __slots__ = ("tally", "value")

    def __init__(self, value: float, tally: Tally) -> None:
        self.value, self.tally = float(value), tally

    def _record(self, quantity: str, value: float) -> Counted:
        self.tally.record(quantity)
        return Counted(value, self.tally)

    def __add__(self, other: Any) -> Counted:
        return self._record("add", self.value + float(other))

    def __sub__(self, other: Any) -> Counted:
        return self._record("add", self.value - float(other))

    def __rsub__(self, other: Any) -> Counted:
        return self._record("add", float(other) - self.value)

    def __mul__(self, other: Any) -> Counted:
        return self._record("mul", self.value * float(other))

    def __truediv__(self, other: Any) -> Counted:
        return self._record("div", self.value / float(other))

    def __rtruediv__(self, other: Any) -> Counted:
        return self._record("div", float(other) / self.value)

    def __pow__(self, other: Any) -> Counted:
        return self._record("pow", self.value ** float(other))

    __radd__, __rmul__ = __add__, __mul__

    def __rpow__(self, other: Any) -> Counted:
        return self._record("pow", float(other) ** self.value)

    def __neg__(self) -> Counted:
        return Counted(-self.value, self.tally)

    def __abs__(self) -> Counted:
        return Counted(abs(self.value), self.tally)

    def __float__(self) -> float:
        return self.value

    def _compare(self, result: bool) -> bool:
        self.tally.record("cmp")
        return result

    def __gt__(self, other: Any) -> bool:
        return self._compare(self.value > float(other))

    def __ge__(self, other: Any) -> bool:
        return self._compare(self.value >= float(other))

    def __lt__(self, other: Any) -> bool:
        return self._compare(self.value < float(other))

    def __le__(self, other: Any) -> bool:
        return self._compare(self.value <= float(other))

    def __eq__(self, other: object) -> bool:
        return self._compare(self.value == float(other))  # type: ignore[arg-type]

    def __ne__(self, other: object) -> bool:
        return self._compare(self.value != float(other))  # type: ignore[arg-type]

    __hash__ = None  # type: ignore[assignment]

    def _rounded(self, value: float) -> Counted:
        return Counted(value, self.tally)

    def __floor__(self) -> Counted:
        return self._rounded(math.floor(self.value))

    def __ceil__(self) -> Counted:
        return self._rounded(math.ceil(self.value))

    def __trunc__(self) -> Counted:
        return self._rounded(math.trunc(self.value))

    def rint(self) -> Counted:
        return self._rounded(round(self.value))

    def selected(self) -> None:
        self.tally.record("cmp")

    def sign(self) -> Counted:
        return Counted(math.copysign(1.0, self.value) if self.value else 0.0, self.tally)

    def exp(self) -> Counted:
        return self._record("exp", math.exp(self.value))

    def log(self) -> Counted:
        return self._record("log", math.log(self.value))

    def tanh(self) -> Counted:
        return self._record("tanh", math.tanh(self.value))

    def sigmoid(self) -> Counted:
        return self._record("sigmoid", 1 / (1 + math.exp(-self.value)))

    def erf(self) -> Counted:
        return self._record("erf", math.erf(self.value))

    def sin(self) -> Counted:
        return self._record("sin", math.sin(self.value))

    def cos(self) -> Counted:
        return self._record("cos", math.cos(self.value))

    def arctan(self) -> Counted:
        return self._record("atan", math.atan(self.value))

    def arctan2(self, other: Any) -> Counted:
        return self._record("atan", math.atan2(self.value, float(other)))

    def sqrt(self) -> Counted:
        return self._record("sqrt", math.sqrt(self.value))


def counted_array(values: np.ndarray, tally: Tally) -> np.ndarray:
    """An object array of counting numbers."""
    result = np.empty(values.shape, dtype=object)
    for index in np.ndindex(*values.shape):
        result[index] = Counted(values[index], tally)
    return result


def random_feeds(
    graph: Graph, seed: int = 0, overrides: Mapping[Tensor, Any] | None = None
) -> dict[Tensor, np.ndarray]:
    """Positive random numbers for every input and parameter; indices stay below two."""
    rng = np.random.default_rng(seed)
    feeds: dict[Tensor, np.ndarray] = {}
    for tensor in [*graph.inputs, *(p.tensor for p in graph.parameters)]:
        if tensor.dtype in INTEGER_DTYPES:
            feeds[tensor] = rng.integers(0, 2, tensor.shape).astype(tensor.dtype)
        else:
            feeds[tensor] = rng.uniform(0.1, 0.9, tensor.shape)
    return feeds | dict(overrides or {})


def run_counting(graph: Graph, seed: int = 0) -> Counter[tuple[str, str, str]]:
    """What the graph does when it runs: amounts by layer, phase and quantity."""
    tally = Tally()
    feeds = {
        tensor: counted_array(values, tally) if values.dtype.kind == "f" else values
        for tensor, values in random_feeds(graph, seed).items()
    }
    rng = np.random.default_rng(seed)

    def random(shape: tuple[int, ...]) -> np.ndarray:
        tally.record("random", math.prod(shape))
        return counted_array(rng.random(shape), tally)

    def lift(values: np.ndarray) -> np.ndarray:
        return np.frompyfunc(lambda x: x if isinstance(x, Counted) else Counted(x, tally), 1, 1)(np.asarray(values))

    execute(graph, feeds, random=random, observe=tally.enter, lift=lift)
    return Counter({key: amount for key, amount in tally.counts.items() if amount})


def ledger_counts(ledger: Ledger) -> Counter[tuple[str, str, str]]:
    """What the ledger says, in the same form."""
    result: Counter[tuple[str, str, str]] = Counter()
    for row in ledger.rows:
        if row.quantity in PRIMITIVE and row.quantity != "int_ops":
            result[(row.path, row.phase, row.quantity)] += row.amount
    return Counter({key: amount for key, amount in result.items() if amount})


def assert_proven(graph: Graph, seed: int = 0) -> None:
    """The ledger equals the run exactly, in every layer, phase and quantity."""
    said, done = ledger_counts(count_graph(graph)), run_counting(graph, seed)
    assert said == done, {key: (said[key], done[key]) for key in said.keys() | done.keys() if said[key] != done[key]}
