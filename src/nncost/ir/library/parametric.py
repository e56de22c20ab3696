"""Activation layers with settings: slopes, thresholds, bounds. Each function gives what ``activation_with`` takes."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.ir.builder import Builder
from nncost.ir.graph import GradientRule, Region, Tensor
from nncost.ir.library.activations import Compute, Gradients

Activation = tuple[Compute, "GradientRule | None"]
"""What an activation computes, and its gradient if that has a closed form."""


def activation_with(b: Builder, name: str, x: Tensor, given: Activation) -> Tensor:
    """An activation layer with settings of its own on every element."""
    compute, gradient = given
    with b.region(name, x, activations=x.elements) as region:
        y = compute(b, x)
        region.returns(y, gradient=gradient)
    return y


def prelu(b: Builder, x: Tensor, slope: Tensor) -> Tensor:
    """x if x > 0, else slope·x with learned slopes that broadcast to ``x``: 1 mul, 1 cmp."""
    with b.region("prelu", x, slope, activations=x.elements) as region:
        y = b.map("where_positive", x, x, b.map("mul", slope, x))
        region.returns(y)
    return y


def celu(alpha: float = 1.0) -> Activation:
    """x if x > 0, else α·(e^(x/α) − 1): 1 div, 1 exp, 1 add, 1 mul, 1 cmp; with α = 1 no div, as ELU.

    Below zero its gradient is g·(y/α + 1). Raises ZeroDivisionError for α = 0.
    """
    if alpha == 0:
        raise ZeroDivisionError("celu divides by α")

    def divided(b: Builder, x: Tensor) -> Tensor:
        return x if alpha == 1 else b.map("div", x, alpha)

    def compute(b: Builder, x: Tensor) -> Tensor:
        below = b.map("mul", alpha, b.map("sub", b.map("exp", divided(b, x)), 1.0))
        return b.map("where_positive", x, x, below)

    def gradient(b: Builder, region: Region, g: Sequence[Tensor | None], wanted: frozenset[Tensor]) -> Gradients:
        (x,), (y,), (dy,) = region.inputs, region.outputs, g
        assert dy is not None
        below = b.map("mul", dy, b.map("add", divided(b, y), 1.0))
        return {x: b.map("where_positive", x, dy, below)}

    return compute, gradient


def hard_sigmoid(slope: float, offset: float) -> Activation:
    """min(max(slope·x + offset, 0), 1): 1 mul, 1 add, 2 cmp."""
    return (lambda b, x: b.map("clip", b.map("add", b.map("mul", slope, x), offset), 0.0, 1.0)), None


def threshold(limit: float, value: float = 0.0) -> Activation:
    """x if x > limit, else ``value``: 2 cmp."""
    return (lambda b, x: b.map("select", b.map("greater", x, limit), x, value)), None


def shrink(limit: float, shift: float = 0.0) -> Activation:
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
