"""What scores of classical models go through: softmax, its form that keeps zeros, the logistic function, the probit."""

from __future__ import annotations

import math

from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library.activations import activation, softmax

NEARLY_ZERO = 1e-7
ERF_INVERSE = 0.147
"""Winitzki 2008, A handy approximation for the error function and its inverse."""
NAMES = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


def post_transform(b: Builder, scores: Tensor, name: str) -> Tensor:
    """Scores (B, n) after the transform of that name, one of :data:`NAMES`."""
    if name == "SOFTMAX":
        return softmax(b, scores, layer=True)
    if name == "LOGISTIC":
        return activation(b, "sigmoid", scores)
    if name == "SOFTMAX_ZERO":
        return softmax_zero(b, scores)
    return probit(b, scores) if name == "PROBIT" else scores


def softmax_zero(b: Builder, x: Tensor) -> Tensor:
    """Softmax of a row of n that leaves zeros near zero, x·e^−m in place of e^(x−m): 2 cmp, 1 exp and 1 mul more for each."""
    with b.region(Operation("softmax_zero"), x, activations=x.elements) as region:
        largest = b.reduce("max", x, [-1], keep=True)
        powers = b.map("exp", b.map("sub", x, largest))
        small = b.map("mul", x, b.map("exp", b.map("neg", b.broadcast(largest, x.shape))))
        kept = b.map("select", b.map("greater", b.map("abs", x), NEARLY_ZERO), powers, small)
        region.returns(b.map("div", kept, b.reduce("sum", kept, [-1], keep=True)))
    return region.outputs[0]


def probit(b: Builder, x: Tensor) -> Tensor:
    """√2·erf⁻¹(2x − 1), approximately: 6 mul, 6 add, 1 log and 2 sqrt for each element."""
    with b.region(Operation("probit"), x) as region:
        y = b.map("sub", b.map("mul", x, 2.0), 1.0)
        logarithm = b.map("log", b.map("mul", b.map("sub", 1.0, y), b.map("add", y, 1.0)))
        middle = b.map("add", b.map("mul", logarithm, 0.5), 2 / (math.pi * ERF_INVERSE))
        ratio = b.map("mul", logarithm, 1 / ERF_INVERSE)
        root = b.map("sqrt", b.map("sub", b.map("square", middle), ratio))
        size = b.map("sqrt", b.map("sub", root, middle))
        region.returns(b.map("mul", b.map("mul", b.map("sign", y), size), math.sqrt(2)))
    return region.outputs[0]
