"""Activation layers: one table from name to composite.

An activation layer counts its output elements as *activations*. Functions that are not elementary
(gelu, silu, elu …) are written in primitives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from nncost.ir.builder import Builder, GradientRule
from nncost.ir.graph import Gradients, Region, Tensor
from nncost.ir.layers import Activation, Softmax
from nncost.ir.library.casts import SHORT_FLOATS, SINGLE, computing_in, in_type

LEAKY_SLOPE = 0.01
"""PyTorch's default negative slope of LeakyReLU."""
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
"""Klambauer et al. 2017, Self-Normalizing Neural Networks, equation 14."""
GELU_CUBIC = 0.044715
"""Hendrycks and Gimpel 2016, Gaussian Error Linear Units: the tanh approximation."""

Compute = Callable[[Builder, Tensor], Tensor]
Function = tuple[Compute, "GradientRule | None"]
"""What an activation computes, and its gradient in closed form if it has one."""


def activation(b: Builder, name: str, x: Tensor, *settings: float) -> Tensor:
    """Return the activation ``name`` of every element of ``x``, with its default settings if none are given.

    Raise KeyError for an unknown name, or for settings of a function that takes none.
    """
    plain = None if settings else ACTIVATIONS.get(name)
    compute, gradient = plain or _PARAMETRISED[name](*settings)
    with b.region(Activation(name, settings), x, activations=x.elements) as region:
        y = compute(b, x)
        region.returns(y, gradient=gradient)
    return y


def prelu(b: Builder, x: Tensor, slope: Tensor) -> Tensor:
    """x if x > 0, else slope·x with learned slopes that broadcast to ``x``: 1 mul, 1 cmp."""
    with b.region(Activation("prelu"), x, slope, activations=x.elements) as region:
        y = b.map("where_positive", x, x, b.map("mul", slope, x))
        region.returns(y)
    return y


def softmax(b: Builder, x: Tensor, axis: int = -1, *, layer: bool = False, logarithm: bool = False) -> Tensor:
    """Softmax over one axis of n: n−1 cmp, n add, n exp, n−1 add, n div.

    ``layer`` says whether its outputs count as activations; ``logarithm`` gives log-softmax
    (n−1 cmp, 2n add, n exp, n−1 add, 1 log).
    """
    axis %= x.rank
    with b.region(Softmax(axis, logarithm), x, activations=x.elements if layer else 0) as region:
        shifted = b.map("sub", x, b.reduce("max", x, [axis], keep=True))
        powers = b.map("exp", shifted)
        total = b.reduce("sum", powers, [axis], keep=True)
        if logarithm:
            y = b.map("sub", shifted, b.map("log", total))
            region.returns(y, gradient=_log_softmax_gradient)
        else:
            y = b.map("div", powers, total)
            region.returns(y, gradient=_softmax_gradient)
    return y


def _softmax_gradient(b: Builder, region: Region, g: Sequence[Tensor | None], wanted: frozenset[Tensor]) -> Gradients:
    """dx = p·(g − Σ g·p). Miniature: p = (½, ½), g = (1, 0): Σ = ½, dx = (¼, −¼)."""
    (x,), (p,), (dy,) = region.inputs, region.outputs, g
    assert dy is not None
    weighted = b.reduce("sum", b.map("mul", dy, p), [region.settings(Softmax).axis], keep=True)
    return {x: b.map("mul", p, b.map("sub", dy, weighted))}


def _log_softmax_gradient(
    b: Builder, region: Region, g: Sequence[Tensor | None], wanted: frozenset[Tensor]
) -> Gradients:
    """dx = g − p·Σg with p = e^y."""
    (x,), (y,), (dy,) = region.inputs, region.outputs, g
    assert dy is not None
    total = b.reduce("sum", dy, [region.settings(Softmax).axis], keep=True)
    return {x: b.map("sub", dy, b.map("mul", b.map("exp", y), total))}


def leaky_relu(slope: float = LEAKY_SLOPE) -> Function:
    """x if x > 0, else slope·x: 1 mul, 1 cmp; backward the same on the gradient."""

    def compute(b: Builder, x: Tensor) -> Tensor:
        return b.map("where_positive", x, x, b.map("mul", slope, x))

    def gradient(b: Builder, region: Region, g: Sequence[Tensor | None], wanted: frozenset[Tensor]) -> Gradients:
        (x,), (dy,) = region.inputs, g
        assert dy is not None
        return {x: b.map("where_positive", x, dy, b.map("mul", slope, dy))}

    return compute, gradient


def _exponential_less_one(b: Builder, x: Tensor) -> Tensor:
    """e^x − 1: 1 exp and 1 add. Short floats, of which little is left near zero, are widened for it, which is free."""
    if x.dtype not in SHORT_FLOATS:
        return b.map("sub", b.map("exp", x), 1.0)
    with computing_in(b, SINGLE):
        return in_type(b, b.map("sub", b.map("exp", in_type(b, x, SINGLE)), 1.0), x.dtype)


def elu(alpha: float = 1.0, scale: float = 1.0, inner: float = 1.0) -> Function:
    """scale·x if x > 0, else scale·α·(e^(inner·x) − 1); its gradient below zero is inner·g·(y + scale·α).

    Factors of one are free.
    """

    def scaled(b: Builder, factor: float, x: Tensor) -> Tensor:
        return x if factor == 1.0 else b.map("mul", factor, x)

    def compute(b: Builder, x: Tensor) -> Tensor:
        below = b.map("mul", scale * alpha, _exponential_less_one(b, scaled(b, inner, x)))
        return b.map("where_positive", x, scaled(b, scale, x), below)

    def gradient(b: Builder, region: Region, g: Sequence[Tensor | None], wanted: frozenset[Tensor]) -> Gradients:
        (x,), (y,), (dy,) = region.inputs, region.outputs, g
        assert dy is not None
        below = b.map("mul", scaled(b, inner, dy), b.map("add", y, scale * alpha))
        return {x: b.map("where_positive", x, scaled(b, scale, dy), below)}

    return compute, gradient


def _gelu(b: Builder, x: Tensor) -> Tensor:
    """x·Φ(x) = ½x·(1 + erf(x/√2))."""
    tail = b.map("add", 1.0, b.map("erf", b.map("mul", 1 / math.sqrt(2), x)))
    return b.map("mul", b.map("mul", 0.5, x), tail)


def _gelu_tanh(b: Builder, x: Tensor) -> Tensor:
    """½x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))."""
    cubic = b.map("mul", GELU_CUBIC, b.map("mul", b.map("square", x), x))
    inner = b.map("mul", math.sqrt(2 / math.pi), b.map("add", x, cubic))
    return b.map("mul", b.map("mul", 0.5, x), b.map("add", 1.0, b.map("tanh", inner)))


def _silu(b: Builder, x: Tensor) -> Tensor:
    return b.map("mul", x, b.map("sigmoid", x))


def _softplus(b: Builder, x: Tensor) -> Tensor:
    return b.map("log", b.map("add", 1.0, b.map("exp", x)))


def _mish(b: Builder, x: Tensor) -> Tensor:
    return b.map("mul", x, b.map("tanh", _softplus(b, x)))


def _log_sigmoid(b: Builder, x: Tensor) -> Tensor:
    return b.map("log", b.map("sigmoid", x))


def _hard_swish(b: Builder, x: Tensor) -> Tensor:
    return b.map("mul", x, hard_sigmoid()[0](b, x))


def _softsign(b: Builder, x: Tensor) -> Tensor:
    return b.map("div", x, b.map("add", 1.0, b.map("abs", x)))


def _elementary(function: str) -> Function:
    return (lambda b, x: b.map(function, x)), None


def celu(alpha: float = 1.0) -> Function:
    """x if x > 0, else α·(e^(x/α) − 1): 1 div, 1 exp, 1 add, 1 mul, 1 cmp; with α = 1 no div, as ELU.

    Below zero its gradient is g·(y/α + 1). Raise ZeroDivisionError for α = 0.
    """
    if alpha == 0:
        raise ZeroDivisionError("celu divides by α")

    def divided(b: Builder, x: Tensor) -> Tensor:
        return x if alpha == 1 else b.map("div", x, alpha)

    def compute(b: Builder, x: Tensor) -> Tensor:
        below = b.map("mul", alpha, _exponential_less_one(b, divided(b, x)))
        return b.map("where_positive", x, x, below)

    def gradient(b: Builder, region: Region, g: Sequence[Tensor | None], wanted: frozenset[Tensor]) -> Gradients:
        (x,), (y,), (dy,) = region.inputs, region.outputs, g
        assert dy is not None
        below = b.map("mul", dy, b.map("add", divided(b, y), 1.0))
        return {x: b.map("where_positive", x, dy, below)}

    return compute, gradient


def threshold(limit: float, value: float = 0.0) -> Function:
    """x if x > limit, else ``value``: 2 cmp."""
    return (lambda b, x: b.map("select", b.map("greater", x, limit), x, value)), None


def shrink(limit: float, shift: float = 0.0) -> Function:
    """x moved towards 0 by ``shift`` if |x| > limit, else 0; hard shrinking without a shift, soft with that of the limit.

    Hard: 2 cmp. Soft, sign(x)·max(|x| − limit, 0): 1 add, 1 cmp, 1 mul. Any other shift: 1 mul, 1 add, 2 cmp.
    """

    def compute(b: Builder, x: Tensor) -> Tensor:
        if shift and shift == limit:
            return b.map("mul", b.map("sign", x), b.map("relu", b.map("sub", b.map("abs", x), limit)))
        outside = b.map("greater", b.map("abs", x), limit)
        moved = b.map("sub", x, b.map("mul", b.map("sign", x), shift)) if shift else x
        return b.map("select", outside, moved, 0.0)

    return compute, None


def softplus(beta: float = 1.0) -> Function:
    """log(1 + e^(βx))/β: 1 exp, 1 add, 1 log and, unless β is one, 1 mul and 1 div."""
    if beta == 1.0:
        return _softplus, None
    return (lambda b, x: b.map("div", _softplus(b, b.map("mul", beta, x)), beta)), None


def hard_sigmoid(slope: float = 1 / 6, offset: float = 0.5) -> Function:
    """min(max(slope·x + offset, 0), 1): 1 mul, 1 add and 2 cmp."""
    return (lambda b, x: b.map("clip", b.map("add", b.map("mul", slope, x), offset), 0.0, 1.0)), None


def affine(slope: float = 1.0, offset: float = 0.0) -> Function:
    """slope·x + offset: 1 mul and 1 add."""
    return (lambda b, x: b.map("add", b.map("mul", slope, x), offset)), None


def scaled_tanh(scale: float = 1.0, slope: float = 1.0) -> Function:
    """scale·tanh(slope·x): 2 mul and 1 tanh."""
    return (lambda b, x: b.map("mul", scale, b.map("tanh", b.map("mul", slope, x)))), None


def swish(slope: float = 1.0) -> Function:
    """x·σ(slope·x): 1 mul, 1 sigmoid and, unless the slope is one, 1 mul more."""
    if slope == 1.0:
        return _silu, None
    return (lambda b, x: b.map("mul", x, b.map("sigmoid", b.map("mul", slope, x)))), None


def clip(low: float, high: float) -> Function:
    """min(max(x, low), high): 2 cmp, and 2 cmp backward."""
    return (lambda b, x: b.map("clip", x, low, high)), None


ACTIVATIONS: Mapping[str, Function] = {
    "relu": _elementary("relu"),
    "leaky_relu": leaky_relu(),
    "elu": elu(),
    "selu": elu(SELU_ALPHA, SELU_SCALE),
    "gelu": (_gelu, None),
    "gelu_tanh": (_gelu_tanh, None),
    "silu": (_silu, None),
    "mish": (_mish, None),
    "softplus": softplus(),
    "softsign": (_softsign, None),
    "sigmoid": _elementary("sigmoid"),
    "tanh": _elementary("tanh"),
    "relu6": clip(0.0, 6.0),
    "hardtanh": clip(-1.0, 1.0),
    "hardsigmoid": hard_sigmoid(),
    "hardswish": (_hard_swish, None),
}
"""Elementwise activation layers; ``softmax`` and ``log_softmax`` work on an axis and stand apart."""

_PARAMETRISED: Mapping[str, Callable[..., Function]] = {
    "leaky_relu": leaky_relu, "rrelu": leaky_relu, "elu": elu, "selu": elu, "celu": celu, "hardtanh": clip,
    "hardsigmoid": hard_sigmoid, "softplus": softplus, "threshold": threshold, "thresholded_relu": threshold,
    "hardshrink": shrink, "softshrink": lambda limit: shrink(limit, limit), "shrink": shrink, "log_sigmoid": lambda: (_log_sigmoid, None),
    "affine": affine, "scaled_tanh": scaled_tanh, "swish": swish,
}  # fmt: skip
"""Those with numbers of their own, and those that no spec names."""
