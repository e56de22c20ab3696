"""Complex arithmetic: numbers made of two numbers that count themselves confirm every rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nncost.counting.ledger import count_graph
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.execute import execute
from nncost.ir.graph import Graph, Tensor
from tests.proof.selfcount import Counted, Tally, ledger_counts


class CountedComplex:
    """a + bi with real parts that count what is done to them."""

    __slots__ = ("imaginary", "real", "tally")

    def __init__(self, real: Counted, imaginary: Counted, tally: Tally) -> None:
        self.real, self.imaginary, self.tally = real, imaginary, tally

    def made(self, real: Counted, imaginary: Counted) -> CountedComplex:
        return CountedComplex(real, imaginary, self.tally)

    @property
    def value(self) -> complex:
        return complex(float(self.real), float(self.imaginary))

    def __add__(self, other: Any) -> CountedComplex:
        if isinstance(other, CountedComplex):
            return self.made(self.real + other.real, self.imaginary + other.imaginary)
        return self if isinstance(other, int) and other == 0 else self.made(self.real + other, self.imaginary)

    __radd__ = __add__

    def __sub__(self, other: Any) -> CountedComplex:
        if isinstance(other, CountedComplex):
            return self.made(self.real - other.real, self.imaginary - other.imaginary)
        return self.made(self.real - other, self.imaginary)

    def __mul__(self, other: Any) -> CountedComplex:
        if isinstance(other, CountedComplex):
            a, b, c, d = self.real, self.imaginary, other.real, other.imaginary
            return self.made(a * c - b * d, a * d + b * c)
        return self.made(self.real * other, self.imaginary * other)

    __rmul__ = __mul__

    def __neg__(self) -> CountedComplex:
        return self.made(-self.real, -self.imaginary)

    def squared_length(self) -> Counted:
        return self.real * self.real + self.imaginary * self.imaginary

    def __abs__(self) -> Counted:
        return self.squared_length().sqrt()

    def conjugate(self) -> CountedComplex:
        return self.made(self.real, -self.imaginary)

    def __truediv__(self, other: Any) -> CountedComplex:
        if not isinstance(other, CountedComplex):
            return self.made(self.real / other, self.imaginary / other)
        whole, length = self * other.conjugate(), other.squared_length()
        return self.made(whole.real / length, whole.imaginary / length)

    def __rtruediv__(self, other: Any) -> CountedComplex:
        turned, length = self.conjugate() * other, self.squared_length()
        return self.made(turned.real / length, turned.imaginary / length)

    def sign(self) -> CountedComplex:
        return self / abs(self)

    def exp(self) -> CountedComplex:
        size = self.real.exp()
        return self.made(size * self.imaginary.cos(), size * self.imaginary.sin())

    def log(self) -> CountedComplex:
        return self.made(self.squared_length().log() * 0.5, self.imaginary.arctan2(self.real))

    def sqrt(self) -> CountedComplex:
        length = abs(self)
        return self.made(((length + self.real) * 0.5).sqrt(), ((length - self.real) * 0.5).sqrt())

    def _hyperbolic(self) -> tuple[Counted, Counted]:
        up = self.imaginary.exp()
        down = 1.0 / up
        return (up + down) * 0.5, (up - down) * 0.5

    def sin(self) -> CountedComplex:
        even, odd = self._hyperbolic()
        return self.made(self.real.sin() * even, self.real.cos() * odd)

    def cos(self) -> CountedComplex:
        even, odd = self._hyperbolic()
        return self.made(self.real.cos() * even, -(self.real.sin() * odd))

    def tanh(self) -> CountedComplex:
        power = (self * 2.0).exp()
        return (power - 1.0) / (power + 1.0)

    def sigmoid(self) -> CountedComplex:
        below = (-self).exp() + 1.0
        turned, length = below.conjugate(), below.squared_length()
        return self.made(turned.real / length, turned.imaginary / length)

    def __pow__(self, other: CountedComplex) -> CountedComplex:
        return (self.log() * other).exp()

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, CountedComplex)
        same = [self.real == other.real, self.imaginary == other.imaginary]
        return all(same)

    def __ne__(self, other: object) -> bool:
        assert isinstance(other, CountedComplex)
        differs = [self.real != other.real, self.imaginary != other.imaginary]
        return any(differs)

    __hash__ = None  # type: ignore[assignment]

    def selected(self) -> None:
        self.tally.record("cmp")


Z, R = "complex128", "float64"


def one(op: ops.Op, *inputs: tuple[tuple[int, ...], str]) -> Graph:
    b = Builder(dtype=Z)
    return b.graph(b.emit(op, *(b.input(shape, dtype=dtype) for shape, dtype in inputs)))


def mapped(function: str, *dtypes: str) -> Graph:
    return one(ops.Map(function), *(((2, 3), dtype) for dtype in dtypes))


GRAPHS: dict[str, Callable[[], Graph]] = {
    **{f"{f} of two": (lambda f=f: mapped(f, Z, Z)) for f in ("add", "sub", "mul", "div", "pow", "equal", "not_equal")},
    **{f"{f} by a real one": (lambda f=f: mapped(f, Z, R)) for f in ("add", "sub", "mul", "div")},
    "a real one by it": lambda: mapped("div", R, Z),
    **{
        f: (lambda f=f: mapped(f, Z))
        for f in ("square", "neg", "abs", "sign", "exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid", "identity")
    },
    "contraction": lambda: one(ops.Contract("ij,kj->ik"), ((2, 3), Z), ((4, 3), Z)),
    "contraction with real numbers": lambda: one(ops.Contract("ij,kj->ik"), ((2, 3), Z), ((4, 3), R)),
    "batched contraction": lambda: one(ops.Contract("bij,bjk->bik"), ((2, 3, 4), Z), ((2, 4, 2), Z)),
    "sum": lambda: one(ops.Reduce("sum", (1,)), ((2, 3), Z)),
    "product": lambda: one(ops.Reduce("prod", (1,)), ((2, 3), Z)),
    "running sum": lambda: one(ops.Scan("sum", 1), ((2, 3), Z)),
    "fold": lambda: one(ops.Fold((1,), (5,), (1,), (1,)), ((2, 3, 3), Z)),
}


def counted(values: np.ndarray, tally: Tally) -> np.ndarray:
    result = np.empty(values.shape, dtype=object)
    for index in np.ndindex(*values.shape):
        z = values[index]
        result[index] = CountedComplex(Counted(z.real, tally), Counted(z.imag, tally), tally)
    return result


@pytest.mark.parametrize("name", GRAPHS)
def test_complex_arithmetic(name: str) -> None:
    """The ledger says what numbers made of two do, and their values are the complex numbers'."""
    graph, rng, tally = GRAPHS[name](), np.random.default_rng(0), Tally()
    plain: dict[Tensor, np.ndarray] = {}
    feeds: dict[Tensor, np.ndarray] = {}
    for tensor in graph.inputs:
        values = rng.uniform(0.2, 0.9, tensor.shape)
        if tensor.dtype == Z:
            plain[tensor] = values + 1j * rng.uniform(0.2, 0.9, tensor.shape)
            feeds[tensor] = counted(plain[tensor], tally)
        else:
            plain[tensor], feeds[tensor] = values, values.astype(object)
    done = execute(graph, feeds, observe=tally.enter)[graph.outputs[0]]
    said = ledger_counts(count_graph(graph))
    if name == "fold":  # into zeros: NumPy's own zero is no number that counts
        assert said == Counter({("", "forward", "add"): 2 * 18})
        return
    assert said == Counter({key: amount for key, amount in tally.counts.items() if amount})
    expected = execute(graph, plain)[graph.outputs[0]]
    got = np.vectorize(lambda z: z.value if isinstance(z, CountedComplex) else float(z), otypes=[complex])(done)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
