"""Losses."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from nncost.dims import product
from nncost.documents.document import Maths
from nncost.explaining.cards.card import BATCH, ROWS, Card, Reading, Sizes
from nncost.ir.builder import Builder
from nncost.ir.graph import Region, Tensor
from nncost.ir.library.activations import softmax
from nncost.ir.training.losses import emit_loss

_EQUATIONS: Mapping[str, tuple[Maths, Maths]] = {
    "squared_error": (
        Maths("L = Σ (y − t)²/n    with n = B·M", r"L = \frac{1}{n} \sum (y - t)^2, \qquad n = B M"),
        Maths("∂L/∂y = (2/n)·(y − t)", r"\frac{\partial L}{\partial y} = \frac{2}{n}\,(y - t)"),
    ),
    "cross_entropy": (
        Maths(
            "L = −mean log p_t    with p = softmax(z)",
            r"L = -\overline{\log p_t}, \qquad p = \operatorname{softmax}(z)",
        ),
        Maths("∂L/∂z = (p − t)/rows", r"\frac{\partial L}{\partial z} = \frac{p - t}{\text{rows}}"),
    ),
    "binary_cross_entropy": (
        Maths("L = −mean(t·log p + (1 − t)·log(1 − p))", r"L = -\overline{t \log p + (1 - t) \log(1 - p)}"),
        Maths("∂L/∂p = (p − t)/(p·(1 − p))/n", r"\frac{\partial L}{\partial p} = \frac{p - t}{n\,p\,(1 - p)}"),
    ),
    "binary_cross_entropy_with_logits": (
        Maths(
            "L = mean(max(x, 0) − x·t + log(1 + e^−|x|))",
            r"L = \overline{\max(x, 0) - x t + \log\left(1 + e^{-\lvert x \rvert}\right)}",
        ),
        Maths("∂L/∂x = (σ(x) − t)/n", r"\frac{\partial L}{\partial x} = \frac{\sigma(x) - t}{n}"),
    ),
    "sum": (Maths("L = Σ y", r"L = \sum y"), Maths("∂L/∂y = 1", r"\frac{\partial L}{\partial y} = 1")),
}


_WHY: Mapping[str, Mapping[str, str]] = {
    "squared_error": {
        "mul": "n squares, and n products with the constant 2/n",
        "add": "n differences y − t, and the sum of n squares: n − 1 additions",
        "div": "the mean",
    },
    "cross_entropy": {
        "add": "the softmax, p − t, the sum over the rows",
        "cmp": "the maximum of each row",
        "exp": "the softmax",
        "log": "one per row",
        "div": "the softmax, the gradient's mean and the loss's mean",
    },
    "binary_cross_entropy": {
        "mul": "t·log p, (1 − t)·log(1 − p) and p·(1 − p)",
        "add": "1 − p, 1 − t, p − t, the sum of both terms and the sum over all",
        "log": "two per output",
        "div": "two per output, and the mean",
    },
    "binary_cross_entropy_with_logits": {
        "mul": "x·t",
        "add": "max(x, 0) − x·t, 1 + e^−|x|, the sum of both terms, the sum over all and σ(x) − t",
        "div": "the gradient's mean and the loss's mean",
        "cmp": "max(x, 0)",
        "exp": "e^−|x|",
        "log": "one per output",
        "sigmoid": "σ(x)",
    },
    "sum": {"add": "the sum of all outputs"},
}

_WHY_FUSED = {
    "add": "p − t, and the sum over the rows",
    "log": "one per row",
    "div": "the gradient's mean and the loss's mean",
}


def read_loss(region: Region) -> tuple[Reading, ...]:
    """The rows of the output and their width; none for a loss without a card."""
    shape, name = region.inputs[0].shape, region.layer.name
    if name not in _EQUATIONS:
        return ()
    if name == "cross_entropy":
        rows, width = product(shape[:-1]), shape[-1]
    else:
        rows, width = (shape[0] if shape else 1), product(shape[1:])
    choices = (True, False) if name == "cross_entropy" else (False,)
    flat = len(shape) <= 2 or name != "cross_entropy"
    return tuple(Reading(loss_card(name, fused, flat), (rows, width)) for fused in choices)


@cache
def loss_card(name: str, fused: bool, flat: bool) -> Card:
    """The card of a loss; ``fused`` is a cross-entropy that reuses the softmax the network ends in."""

    def build(b: Builder, sizes: Sizes) -> dict[str, Tensor]:
        x = b.input((sizes[BATCH if flat else "R"], sizes["M"]))
        y = softmax(b, x, layer=True) if fused else b.map("identity", x)
        graph = b.graph(y)
        emit_loss(b, name, graph, 1)
        return {}

    value, gradient = _EQUATIONS[name]
    rows = ROWS if flat else {"R": "rows of the output in the whole batch"}
    return Card(
        title=name,
        letters=rows | {"M": "outputs of the network" if flat else "outputs in each row"},
        build=build,
        equations=(value, gradient),
        why=_WHY_FUSED if fused else _WHY.get(name, {}),
    )
