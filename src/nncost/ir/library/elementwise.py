"""Functions of elements that are composed of others, in primitives.

The hyperbolic functions and their inverses are written with e^x and log, the tangent with sin and cos, arc sine and
arc cosine with the arc tangent of two coordinates (Abramowitz and Stegun 1964, sections 4.4 to 4.6).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce

from nncost.ir.builder import Builder
from nncost.ir.dtypes import INTEGER_DTYPES
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation

Compute = Callable[[Builder, Tensor], Tensor]


def composed(b: Builder, name: str, x: Tensor) -> Tensor:
    """The function ``name`` of :data:`COMPOSED` on every element."""
    with b.region(Operation(name), x) as region:
        y = COMPOSED[name](b, x)
        region.returns(y)
    return y


def power(b: Builder, x: Tensor, exponent: float) -> Tensor:
    """x^e for a number e: whole ones up to four by multiplication, ½ by a root, negative ones by 1 div more."""
    if exponent < 0:
        return b.map("div", 1.0, power(b, x, -exponent))
    if exponent == 0:
        return b.full(x.shape, 1.0, x.dtype)
    if exponent == 3:
        return b.map("mul", b.map("square", x), x)
    if exponent == 4:
        return b.map("square", b.map("square", x))
    function = {0.5: "sqrt", 1: "identity", 2: "square"}.get(exponent)
    if function is not None:
        return b.map(function, x)
    return b.map("pow", x, b.full((), exponent, x.dtype))


def mean_of(b: Builder, tensors: Sequence[Tensor]) -> Tensor:
    """The mean of n tensors, element by element: n−1 add, 1 div."""
    return b.map("div", reduce(partial(b.map, "add"), tensors), float(len(tensors)))


def _sinh(b: Builder, x: Tensor) -> Tensor:
    """(e^x − 1/e^x)/2."""
    up = b.map("exp", x)
    return b.map("mul", b.map("sub", up, b.map("div", 1.0, up)), 0.5)


def _cosh(b: Builder, x: Tensor) -> Tensor:
    """(e^x + 1/e^x)/2."""
    up = b.map("exp", x)
    return b.map("mul", b.map("add", up, b.map("div", 1.0, up)), 0.5)


def _tan(b: Builder, x: Tensor) -> Tensor:
    return b.map("div", b.map("sin", x), b.map("cos", x))


def _asinh(b: Builder, x: Tensor) -> Tensor:
    """log(x + √(x² + 1))."""
    return b.map("log", b.map("add", x, b.map("sqrt", b.map("add", b.map("square", x), 1.0))))


def _acosh(b: Builder, x: Tensor) -> Tensor:
    """log(x + √(x² − 1))."""
    return b.map("log", b.map("add", x, b.map("sqrt", b.map("sub", b.map("square", x), 1.0))))


def _atanh(b: Builder, x: Tensor) -> Tensor:
    """½·log((1 + x)/(1 − x))."""
    quotient = b.map("div", b.map("add", 1.0, x), b.map("sub", 1.0, x))
    return b.map("mul", b.map("log", quotient), 0.5)


def _other_leg(b: Builder, x: Tensor) -> Tensor:
    """√(1 − x²), the other leg of a right triangle with hypotenuse 1."""
    return b.map("sqrt", b.map("sub", 1.0, b.map("square", x)))


def _asin(b: Builder, x: Tensor) -> Tensor:
    return b.map("atan2", x, _other_leg(b, x))


def _acos(b: Builder, x: Tensor) -> Tensor:
    return b.map("atan2", _other_leg(b, x), x)


def remainder(b: Builder, x: Tensor, y: Tensor, *, cut: bool = False) -> Tensor:
    """x − y·⌊x/y⌋, which has the sign of y, or ``cut`` x − y·trunc(x/y) with that of x: 1 div, 1 mul, 1 add."""
    if x.dtype not in INTEGER_DTYPES:
        return b.map("cut_remainder" if cut else "remainder", x, y)
    with b.region(Operation("remainder"), x, y) as region:
        quotient = b.map("quotient" if cut else "floor_quotient", x, y)
        region.returns(b.map("sub", x, b.map("mul", y, quotient)))
    return region.outputs[0]


def is_infinite(b: Builder, x: Tensor, *, above: bool = True, below: bool = True) -> Tensor:
    """Whether an element is ∞ (``above``) or −∞ (``below``): 1 cmp; nothing where neither is asked for."""
    if not above and not below:
        return b.full(x.shape, False, "bool")
    bound = b.full((), math.inf if above else -math.inf, x.dtype)
    return b.map("equal", b.map("abs", x) if above and below else x, bound)


COMPOSED: Mapping[str, Compute] = {
    "sinh": _sinh, "cosh": _cosh, "tan": _tan, "asinh": _asinh, "acosh": _acosh, "atanh": _atanh, "asin": _asin,
    "acos": _acos,
}  # fmt: skip
"""Functions of one element by name."""
