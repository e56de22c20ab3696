"""``--taps valid``: a run in which zeros of a padding are known to be zeros, and in which nothing useless is done.

A product with a structural zero is one too and is not computed, adding one changes nothing. Products
of the input gradient that land on padding are computed by nobody: only operations that a result
depends on are counted, so scalars remember what they were made from. (Convolutions with a stride
have biases here: their sums keep elements alive that the next layer steps over.)
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from nncost.counting.ledger import count_graph
from nncost.errors import OptionError, SymbolError
from nncost.frontends.model import LoadOptions
from nncost.ir import ops
from nncost.ir.execute import execute
from nncost.ir.graph import Graph, Node
from nncost.pipeline.count import count_source
from nncost.pipeline.settings import Settings
from tests.proof.selfcount import ledger_counts, random_feeds

Key = tuple[str, str, str]


class Stage:
    """The node that is running."""

    def __init__(self) -> None:
        self.node: Node | None = None

    def enter(self, node: Node) -> None:
        self.node = node

    def key(self, quantity: str) -> Key:
        assert self.node is not None
        return (self.node.path, self.node.phase, quantity)

    @property
    def contracts(self) -> bool:
        return self.node is not None and isinstance(self.node.op, ops.Contract)


class Traced:
    """A number that knows the operation it came from and its operands."""

    __slots__ = ("key", "sources", "stage", "structural", "value")

    def __init__(
        self,
        value: float,
        stage: Stage,
        key: Key | None = None,
        sources: tuple[Traced, ...] = (),
        *,
        structural: bool = False,
    ) -> None:
        self.value, self.stage, self.key, self.sources, self.structural = float(value), stage, key, sources, structural

    def _made(self, quantity: str, value: float, *sources: Any) -> Traced:
        return Traced(value, self.stage, self.stage.key(quantity), tuple(s for s in sources if isinstance(s, Traced)))

    def _zero_among(self, other: Any) -> bool:
        return self.stage.contracts and (self.structural or getattr(other, "structural", False))

    def __mul__(self, other: Any) -> Traced:
        if self._zero_among(other):
            return Traced(0.0, self.stage, structural=True)
        return self._made("mul", self.value * float(other), self, other)

    def __add__(self, other: Any) -> Traced:
        if self._zero_among(other):
            return other if self.structural else self
        return self._made("add", self.value + float(other), self, other)

    __radd__, __rmul__ = __add__, __mul__

    def __sub__(self, other: Any) -> Traced:
        return self._made("add", self.value - float(other), self, other)

    def __truediv__(self, other: Any) -> Traced:
        return self._made("div", self.value / float(other), self, other)

    def __float__(self) -> float:
        return self.value


def run_useful(graph: Graph) -> Counter[Key]:
    """The operations that elementwise results and sums depend on: all but what falls on cropped padding."""
    stage = Stage()
    waiting: list[Traced] = []

    def fresh(value: Any) -> Traced:
        padding = isinstance(stage.node.op, ops.Pad) if stage.node is not None else False
        return Traced(float(value), stage, structural=padding)

    def lift(values: np.ndarray) -> np.ndarray:
        def lifted(x: Any) -> Traced:
            if not isinstance(x, Traced):
                return fresh(x)
            # What a contraction returns is a number like any other: later additions count.
            return fresh(x) if x.structural and stage.contracts else x

        result = np.frompyfunc(lifted, 1, 1)(np.asarray(values))
        if isinstance(stage.node.op, (ops.Map, ops.Reduce)):  # type: ignore[union-attr]
            waiting.extend(np.asarray(result).flat)
        return result

    feeds = {tensor: np.frompyfunc(lambda v: Traced(v, stage), 1, 1)(v) for tensor, v in random_feeds(graph).items()}
    values = execute(graph, feeds, observe=stage.enter, lift=lift)
    seen: set[int] = set()
    counts: Counter[Key] = Counter()
    waiting += [
        scalar for output in graph.outputs for scalar in np.asarray(values[output]).flat if isinstance(scalar, Traced)
    ]
    while waiting:
        scalar = waiting.pop()
        if id(scalar) not in seen:
            seen.add(id(scalar))
            if scalar.key is not None:
                counts[scalar.key] += 1
            waiting.extend(scalar.sources)
    return counts


SPECS = [
    "2x5, conv 3 3 pad=1, conv 2 3 pad=2",
    "1x6x5, conv 2 3 pad=1, conv 2 3x2 stride=2x1 pad=1",
    "2x7, conv 2 1, conv 3 3 stride=3 pad=2 dilation=2",
    "4x4x4, conv 4 3 pad=1 groups=2, conv 4 3 pad=1 groups=4 stride=2 bias=no",
    "1x3x3x3, conv 2 2 pad=1, conv 1 3x1x2 pad=1x0x1 stride=2",
    "2x6x6, conv 2 3 pad=same stride=2, conv 2 2 pad=same",
    "2x3, conv 2 1, conv 2 2 pad=4",  # Some outputs see padding only.
    "2x2, conv 2 1, conv 2 5 pad=4 dilation=2",  # Some taps meet padding only.
    "2x3, conv 2 1, conv 2 1 pad=1 stride=2",
    "2x4x3, conv 2 1, conv_transpose 3 3 stride=2 pad=1 output_pad=1, conv 2 3 pad=1",
    "4x4, conv 4 1, conv_transpose 2 3 pad=2 groups=2, dense 2",
    "2x4, conv 2 1, [conv 2 3 pad=1]*3, dense 2",
    "2x3, [conv 2 2 pad=1 stride=2]*3",
]  # fmt: skip


@pytest.mark.parametrize("spec", SPECS)
def test_valid_taps(spec: str) -> None:
    graph = count_source(spec, Settings(loss="squared_error", load=LoadOptions(batch=2))).step.graph
    said, done = ledger_counts(count_graph(graph, valid_taps=True)), run_useful(graph)
    assert said == done, {key: (said[key], done[key]) for key in said.keys() | done.keys() if said[key] != done[key]}
    assert sum(said.values()) < sum(ledger_counts(count_graph(graph)).values())


def test_a_run_that_knows_no_zeros_counts_every_tap() -> None:
    """Without padding both ways of counting agree, so the witness itself counts nothing twice or never."""
    graph = count_source(
        "2x5, conv 3 3, conv 2 2", Settings(loss="squared_error", load=LoadOptions(batch=2))
    ).step.graph
    assert run_useful(graph) == ledger_counts(count_graph(graph)) == ledger_counts(count_graph(graph, valid_taps=True))


def test_hand_worked_example() -> None:
    """Three elements, a kernel of three, one zero on each side: 2 + 3 + 2 products instead of 9."""
    from nncost import count

    spec = "1x3, conv 1 3 pad=1 bias=no"
    dense, valid = count(spec), count(spec, taps="valid")
    assert (dense.forward.mul, dense.forward.add) == (9, 6)
    assert (valid.forward.mul, valid.forward.add, valid.forward.macs) == (7, 4, 7)
    assert (valid.backward.mul, valid.backward.add) == (7, 4)


def test_symbols_are_refused() -> None:
    from nncost import count

    with pytest.raises(SymbolError, match="valid needs numbers"):
        count("1xn, conv 1 3 pad=1", taps="valid")


def test_a_kernel_too_large_to_walk_is_refused() -> None:
    from nncost import count

    with pytest.raises(OptionError, match="tap by tap"):
        count("1x10, conv 1 99999999 pad=99999999", taps="valid")
