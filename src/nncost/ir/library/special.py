"""Functions of elements that are composed of a few elementary ones; operands are tensors or numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nncost.ir import ops
from nncost.ir.builder import Builder, Operand
from nncost.ir.graph import Tensor
from nncost.ir.library.reductions import vector_norm

RENORM_EPSILON = 1e-7
"""PyTorch's number that keeps a length from being zero."""


def erfc(b: Builder, x: Tensor) -> Tensor:
    """1 − erf x."""
    return b.map("sub", 1.0, b.map("erf", x))


def logit(b: Builder, x: Tensor, distance: float | None = None) -> Tensor:
    """log(x/(1 − x)); with a ``distance`` x is kept that far from 0 and 1 (2 cmp)."""
    if distance is not None:
        x = b.map("clip", x, distance, 1 - distance)
    return b.map("log", b.map("div", x, b.map("sub", 1.0, x)))


def logit_gradient(b: Builder, x: Tensor, g: Tensor, distance: float | None = None) -> Tensor:
    """g/(x·(1 − x)), zero if x was clipped."""
    g = b.map("div", g, b.map("mul", x, b.map("sub", 1.0, x)))
    return g if distance is None else b.map("where_between", x, distance, 1 - distance, g)


def hypot(b: Builder, x: Operand, y: Operand) -> Tensor:
    """√(x² + y²)."""
    return b.map("sqrt", b.map("add", b.map("square", x), b.map("square", y)))


def sinc(b: Builder, x: Tensor) -> Tensor:
    """sin(πx)/(πx), and 1 at zero: 1 mul, 1 sin, 1 div, 2 cmp."""
    angle = b.map("mul", x, math.pi)
    return b.map("select", b.map("equal", angle, 0.0), 1.0, b.map("div", b.map("sin", angle), angle))


def copysign(b: Builder, x: Operand, y: Operand) -> Tensor:
    """|x| if y ≥ 0, else −|x|: 2 cmp; absolute value and negation are free."""
    size = b.map("abs", x)
    return b.map("select", b.map("greater_equal", y, 0.0), size, b.map("neg", size))


def heaviside(b: Builder, x: Tensor, at_zero: Tensor) -> Tensor:
    """0 below zero, 1 above, ``at_zero`` between: 3 cmp."""
    step = b.emit(ops.Cast(x.dtype), b.map("greater", x, 0.0))
    return b.map("select", b.map("equal", x, 0.0), at_zero, step)


def ldexp(b: Builder, x: Operand, exponent: Operand) -> Tensor:
    """x·2^e: 1 pow, 1 mul."""
    return b.map("mul", x, b.map("pow", 2.0, exponent))


def nan_to_num(b: Builder, x: Tensor, nan: float, high: float, low: float) -> Tensor:
    """What is no number becomes ``nan``, infinity ``high``, −∞ ``low``: 2 cmp each."""
    y = b.map("select", b.map("equal", x, x), x, nan)
    for bound, value in ((math.inf, high), (-math.inf, low)):
        y = b.map("select", b.map("equal", y, bound), value, y)
    return y


def xlogy(b: Builder, x: Operand, y: Operand) -> Tensor:
    """x·log y, zero if x is zero: 2 cmp."""
    return b.map("select", b.map("not_equal", x, 0.0), b.map("mul", x, b.map("log", y)), 0.0)


def xlog1py(b: Builder, x: Operand, y: Operand) -> Tensor:
    """x·log(1 + y), zero if x is zero: 2 cmp."""
    return xlogy(b, x, b.map("add", y, 1.0))


def entr(b: Builder, x: Tensor) -> Tensor:
    """−x·log x."""
    return b.map("neg", b.map("mul", x, b.map("log", x)))


def logaddexp(b: Builder, x: Operand, y: Operand, base: float = math.e) -> Tensor:
    """m + log(1 + base^−|x−y|) with the larger m of both; any base but e takes two factors more."""
    distance = b.map("neg", b.map("abs", b.map("sub", x, y)))
    scaled = distance if base == math.e else b.map("mul", distance, math.log(base))
    rest = b.map("log", b.map("add", b.map("exp", scaled), 1.0))
    return b.map("add", b.map("max", x, y), rest if base == math.e else b.map("mul", rest, 1 / math.log(base)))


def cross(b: Builder, x: Tensor, y: Tensor, axis: int) -> Tensor:
    """x₂y₃ − x₃y₂ and so on along an axis of three: 2 mul and 1 add per element."""
    left, right = (b.chunk(operand, 3, axis) for operand in (x, y))
    pairs = ((1, 2), (2, 0), (0, 1))
    return b.emit(
        ops.Concat(axis),
        *(b.map("sub", b.map("mul", left[i], right[j]), b.map("mul", left[j], right[i])) for i, j in pairs),
    )


def renorm(b: Builder, x: Tensor, order: float, axes: Sequence[int], limit: float) -> Tensor:
    """Slices whose norm over ``axes`` is above a limit are scaled to it: a norm each, 1 div, 2 cmp, then 1 mul per element."""
    length = vector_norm(b, x, order, axes, keep=True)
    factor = b.map("div", limit, b.map("add", length, RENORM_EPSILON))
    return b.map("mul", x, b.map("select", b.map("greater", length, limit), factor, 1.0))
