"""Pooling."""

from __future__ import annotations

from functools import cache

from nncost.documents.document import Maths
from nncost.explaining.cards.card import BATCH, CHANNELS, INPUT, ROWS, Card, Reading, Sizes
from nncost.ir.builder import Builder
from nncost.ir.graph import Region, Tensor
from nncost.ir.layers import Pool
from nncost.ir.library.pool import average_pool, global_average_pool, global_max_pool, max_pool

_MAXIMA = ("maxpool", "global_maxpool")


def read_window(region: Region) -> tuple[Reading, ...]:
    """B examples, C channels, P output positions, K values in each window."""
    (y,) = region.outputs
    layer = region.settings(Pool)
    return (Reading(pool_card(layer.name, "K"), (y.shape[0], y.shape[1], y.shape[2:], layer.kernel)),)


def read_global(region: Region) -> tuple[Reading, ...]:
    """B examples, C channels of S values."""
    batch, channels, *spatial = region.inputs[0].shape
    return (Reading(pool_card(region.layer.name, "S"), (batch, channels, tuple(spatial))),)


@cache
def pool_card(name: str, n: str) -> Card:
    """The card of a maximum or a mean of ``n`` values: K in each window, or S in each channel."""
    is_global, is_maximum = n == "S", name in _MAXIMA

    def build(b: Builder, sizes: Sizes) -> dict[str, Tensor]:
        length = sizes["S"] if is_global else sizes["P"] + sizes["K"] - 1
        x = b.input((sizes[BATCH], sizes["C"], length))
        if is_global:
            (global_max_pool if is_maximum else global_average_pool)(b, x)
        elif is_maximum:
            max_pool(b, x, kernel=[sizes["K"]], stride=[1], padding=[(0, 0)], dilation=[1])
        else:
            average_pool(b, x, kernel=[sizes["K"]], stride=[1], padding=[(0, 0)])
        return {INPUT: x}

    each = "channel" if is_global else "output"
    spread = "; all its values share it" if is_global else ", one addition per tap"
    return Card(
        title=name,
        letters=ROWS | (CHANNELS if is_global else _WINDOWS),
        build=build,
        equations=(_maximum(is_global) if is_maximum else _mean(n),),
        gradients=(_TO_LARGEST if is_maximum else _spread(n),),
        why={
            "cmp": f"the largest of {n} values: {n} − 1 comparisons",
            "add": f"the sum of {n} values: {n} − 1 additions",
            "div": f"one per {each}",
        },
        why_backward={INPUT: f"one addition per {each}" if is_maximum else f"one division per {each}{spread}"},
        saved=f"{name}'s positions of the largest values" if is_maximum else "",
        symbols={"x": "inputs", "y": "outputs"},
    )


_WINDOWS = {"C": "channels", "P": "positions in each output map", "K": "values in each window"}
_TO_LARGEST = Maths(
    "∂L/∂x = g at the largest value, otherwise 0", r"\frac{\partial L}{\partial x} = g \text{ at the largest value}"
)


def _maximum(is_global: bool) -> Maths:
    if is_global:
        return Maths("y_p = max(x_1 … x_S)", r"y_p = \max(x_1, \dots, x_S)")
    return Maths("y_p = max(x_p+1 … x_p+K)", r"y_p = \max(x_{p+1}, \dots, x_{p+K})")


def _mean(count: str) -> Maths:
    return Maths(f"y = (x_1 + … + x_{count})/{count}", rf"y = \frac{{1}}{{{count}}} \sum_{{k=1}}^{{{count}}} x_k")


def _spread(count: str) -> Maths:
    return Maths(f"∂L/∂x = g/{count} per value", rf"\frac{{\partial L}}{{\partial x}} = \frac{{g}}{{{count}}}")
