"""Activation layers, softmax and dropout."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from nncost.dims import Dim, Shape, product
from nncost.documents.document import Maths
from nncost.explaining.cards.card import BATCH, ROWS, Card, Reading, Sizes
from nncost.ir.builder import Builder
from nncost.ir.graph import Region, Tensor
from nncost.ir.layers import Softmax
from nncost.ir.library.activations import activation, softmax
from nncost.ir.library.sequence import dropout
from nncost.records import record

INPUT = "∂L/∂z"


@record
class _Curve:
    """An activation function and its gradient."""

    value: Maths
    gradient: Maths
    saved: str = "z"


_CASES = r"\begin{{cases}} {} & z > 0 \\ {} & \text{{otherwise}} \end{{cases}}"


def _split(above: str, below: str, above_latex: str, below_latex: str) -> tuple[str, str]:
    return f"{above} if z > 0, else {below}", _CASES.format(above_latex, below_latex)


def _curve(value: tuple[str, str], gradient: tuple[str, str], saved: str = "z") -> _Curve:
    return _Curve(
        Maths(f"a = {value[0]}", f"a = {value[1]}"),
        Maths(
            f"δ = {gradient[0]}    with g = ∂L/∂a",
            rf"\delta = {gradient[1]} \qquad g = \frac{{\partial L}}{{\partial a}}",
        ),
        saved,
    )


_BETWEEN = ("g if z is inside the limits, else 0", r"g\,[\text{low} < z < \text{high}]")
_CURVES: Mapping[str, _Curve] = {
    "relu": _curve(("max(z, 0)", r"\max(z, 0)"), _split("g", "0", "g", "0"), "a"),
    "leaky_relu": _curve(_split("z", "α·z", "z", r"\alpha z"), _split("g", "α·g", "g", r"\alpha g")),
    "elu": _curve(
        _split("z", "α·(e^z − 1)", "z", r"\alpha (e^z - 1)"), _split("g", "g·(a + α)", "g", r"g\,(a + \alpha)"), "z and a"
    ),
    "selu": _curve(
        _split("λ·z", "λα·(e^z − 1)", r"\lambda z", r"\lambda\alpha (e^z - 1)"),
        _split("λ·g", "g·(a + λα)", r"\lambda g", r"g\,(a + \lambda\alpha)"),
        "z and a",
    ),
    "gelu": _curve(
        ("½·z·(1 + erf(z/√2))", r"\tfrac12 z \left(1 + \operatorname{erf}(z/\sqrt2)\right)"),
        ("g·(Φ(z) + z·φ(z))", r"g\,(\Phi(z) + z\,\varphi(z))"),
    ),
    "gelu_tanh": _curve(
        ("½·z·(1 + tanh(√(2/π)·(z + 0.044715·z³)))", r"\tfrac12 z \left(1 + \tanh(\sqrt{2/\pi}\,(z + 0.044715\,z^3))\right)"),
        ("g·da/dz, term by term", r"g\,\frac{da}{dz}"),
    ),
    "silu": _curve(("z·σ(z)", r"z\,\sigma(z)"), ("g·(s + z·s·(1 − s)), s = σ(z)", r"g\,(s + z s (1 - s)),\ s = \sigma(z)")),
    "mish": _curve(("z·tanh(log(1 + e^z))", r"z \tanh(\log(1 + e^z))"), ("g·da/dz, factor by factor", r"g\,\frac{da}{dz}")),
    "softplus": _curve(("log(1 + e^z)", r"\log(1 + e^z)"), ("g/(1 + e^z)·e^z", r"\frac{g}{1 + e^z}\,e^z")),
    "softsign": _curve(("z/(1 + |z|)", r"\frac{z}{1 + |z|}"), ("g·da/dz, factor by factor", r"g\,\frac{da}{dz}")),
    "sigmoid": _curve(
        ("σ(z) = 1/(1 + e^(−z))", r"\sigma(z) = \frac{1}{1 + e^{-z}}"), ("g·(a·(1 − a))", r"g \cdot (a\,(1 - a))"), "a"
    ),
    "tanh": _curve(("tanh(z)", r"\tanh(z)"), ("g·(1 − a²)", r"g\,(1 - a^2)"), "a"),
    "relu6": _curve(("min(max(z, 0), 6)", r"\min(\max(z, 0), 6)"), _BETWEEN),
    "hardtanh": _curve(("min(max(z, −1), 1)", r"\min(\max(z, -1), 1)"), _BETWEEN),
    "hardsigmoid": _curve(("min(max(z/6 + ½, 0), 1)", r"\min(\max(z/6 + \tfrac12, 0), 1)"), ("g/6 inside the limits, else 0", r"\tfrac16\,g\,[0 < a < 1]")),
    "hardswish": _curve(
        ("z·min(max(z/6 + ½, 0), 1)", r"z \min(\max(z/6 + \tfrac12, 0), 1)"), ("g·da/dz, factor by factor", r"g\,\frac{da}{dz}")
    ),
}  # fmt: skip
_SYMBOLS = {
    "z": "inputs", "a": "outputs", "α": "a constant", "λ": "a constant", "σ": "the sigmoid function",
    "Φ": "the normal distribution", "φ": "its density",
}  # fmt: skip
_ELEMENTARY = {"sigmoid": "one sigmoid function per value", "tanh": "one tanh function per value"}
_WHY_BACKWARD = {
    "sigmoid": "1 − a, then a·(1 − a), then times g: 1 subtraction and 2 products",
    "tanh": "a², then 1 − a², then times g: 2 products and 1 subtraction",
    "relu": "one comparison per value",
}


def _values(region: Region) -> tuple[bool, tuple[Dim | Shape, ...]]:
    """Whether the values are a vector of neurons, and B and their number."""
    shape = region.inputs[0].shape
    if len(shape) < 2:
        return True, (1, product(shape))
    return len(shape) == 2, (shape[0], shape[1:])


def read_activation(region: Region) -> tuple[Reading, ...]:
    """B examples of M neurons, or of E values; none for a function without a card."""
    vector, values = _values(region)
    name = region.layer.name
    return (Reading(activation_card(name, "M" if vector else "E"), values),) if name in _CURVES else ()


def _letters(letter: str) -> dict[str, str]:
    return ROWS | {letter: "neurons" if letter == "M" else "values of one example"}


@cache
def activation_card(name: str, letter: str) -> Card:
    """The card of an elementwise activation on B·``letter`` values."""

    def build(b: Builder, sizes: Sizes) -> dict[str, Tensor]:
        x = b.input((sizes[BATCH], sizes[letter]))
        activation(b, name, x)
        return {INPUT: x}

    curve = _CURVES[name]
    return Card(
        title=name,
        letters=_letters(letter),
        build=build,
        equations=(curve.value,),
        gradients=(curve.gradient,),
        why={"activations": "one per value", "cmp": "one per value"}
        | ({name: _ELEMENTARY[name]} if name in _ELEMENTARY else {}),
        why_backward={INPUT: _WHY_BACKWARD.get(name, "")},
        saved=f"{name}'s {'output' if curve.saved == 'a' else 'values'} {curve.saved}",
        symbols=_SYMBOLS,
    )


def read_softmax(region: Region) -> tuple[Reading, ...]:
    """B examples of R rows of n values, along the softmax's axis."""
    shape, softmax_ = region.inputs[0].shape, region.settings(Softmax)
    axis = softmax_.axis
    rows = (shape[0], product((*shape[1:axis], *shape[axis + 1 :]))) if axis else (1, product(shape[1:]))
    flat = len(shape) == 2
    values = (rows[0], shape[axis]) if flat else (*rows, shape[axis])
    return tuple(Reading(softmax_card(softmax_.logarithm, layer, flat), values) for layer in (True, False))


@cache
def softmax_card(logarithm: bool, layer: bool, flat: bool) -> Card:
    """The card of softmax over n values of each row; ``layer`` says whether its outputs are activations."""

    def build(b: Builder, sizes: Sizes) -> dict[str, Tensor]:
        rows = (sizes[BATCH],) if flat else (sizes[BATCH], sizes["R"])
        x = b.input((*rows, sizes["n"]))
        softmax(b, x, layer=layer, logarithm=logarithm)
        return {INPUT: x}

    plain = Maths(
        "p_i = e^(z_i − max z) / Σ_k e^(z_k − max z)", r"p_i = \frac{e^{z_i - \max z}}{\sum_k e^{z_k - \max z}}"
    )
    logged = Maths(
        "y_i = (z_i − max z) − log Σ_k e^(z_k − max z)", r"y_i = (z_i - \max z) - \log \sum_k e^{z_k - \max z}"
    )
    slope = Maths("δ_i = p_i·(g_i − Σ_k g_k·p_k)", r"\delta_i = p_i \left(g_i - \sum_k g_k p_k\right)")
    log_slope = Maths("δ_i = g_i − e^(y_i)·Σ_k g_k", r"\delta_i = g_i - e^{y_i} \sum_k g_k")
    return Card(
        title="log_softmax" if logarithm else "softmax",
        letters=ROWS | ({} if flat else {"R": "rows of one example"}) | {"n": "values in each row"},
        build=build,
        equations=(logged if logarithm else plain,),
        gradients=(log_slope if logarithm else slope,),
        why={
            "cmp": "the maximum of n values: n − 1 comparisons",
            "add": "subtractions of the maximum, and the sum of n powers",
            "exp": "one power per value",
            "div": "one per value",
            "log": "one per row",
            "activations": "one per value",
        },
        saved="softmax's output",
        symbols={"z": "inputs", "p": "outputs, which add up to 1", "y": "outputs"},
    )


def read_dropout(region: Region) -> tuple[Reading, ...]:
    """B examples of E values."""
    shape = region.inputs[0].shape
    return (Reading(dropout_card(), (shape[0], shape[1:])),)


@cache
def dropout_card() -> Card:
    """The card of dropout in training."""

    def build(b: Builder, sizes: Sizes) -> dict[str, Tensor]:
        x = b.input((sizes[BATCH], sizes["E"]))
        dropout(b, x, 0.5)
        return {"∂L/∂x": x}

    return Card(
        title="dropout",
        letters=ROWS | {"E": "values of one example"},
        build=build,
        equations=(
            Maths("y = x·keep/(1 − p)    keep = 1 where random ≥ p, else 0", r"y = \frac{x \cdot [u \ge p]}{1 - p}"),
        ),
        gradients=(
            Maths("∂L/∂x = g·keep/(1 − p)", r"\frac{\partial L}{\partial x} = \frac{g \cdot [u \ge p]}{1 - p}"),
        ),
        why={
            "random": "one random number per value",
            "cmp": "one per value",
            "mul": "by keep, then by the constant 1/(1 − p)",
        },
        why_backward={"∂L/∂x": "by keep, then by the constant"},
        saved="dropout's choice of values",
        symbols={"x": "inputs", "y": "outputs", "p": "the share that is set to 0"},
    )
