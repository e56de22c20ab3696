"""Pooling."""

from __future__ import annotations

from functools import cache

from nncost.documents.document import Maths
from nncost.explaining.cards.card import BATCH, INPUT, ROWS, Card, Reading, Sizes
from nncost.ir.builder import Builder
from nncost.ir.graph import Region, Tensor
from nncost.ir.layers import Pool
from nncost.ir.library.pool import average_pool, global_average_pool, global_max_pool, max_pool

_POOLED = {"C": "channels", "P": "positions in each output map"}


def read_window(region: Region) -> tuple[Reading, ...]:
    """B examples, C channels, P output positions, K values in each window."""
    (y,) = region.outputs
    layer = region.settings(Pool)
    return (Reading(window_card(layer.name), (y.shape[0], y.shape[1], y.shape[2:], layer.kernel)),)


@cache
def window_card(name: str) -> Card:
    """The card of ``maxpool`` or ``avgpool``."""
    largest = name == "maxpool"

    def build(b: Builder, sizes: Sizes) -> dict[str, Tensor]:
        x = b.input((sizes[BATCH], sizes["C"], sizes["P"] + sizes["K"] - 1))
        if largest:
            max_pool(b, x, kernel=[sizes["K"]], stride=[1], padding=[(0, 0)], dilation=[1])
        else:
            average_pool(b, x, kernel=[sizes["K"]], stride=[1], padding=[(0, 0)])
        return {INPUT: x}

    return Card(
        title=name,
        letters=ROWS | _POOLED | {"K": "values in each window"},
        build=build,
        equations=(_maximum("x_p+1 … x_p+K", "x_{p+1}, \\dots, x_{p+K}") if largest else _mean("K"),),
        gradients=(_to_largest() if largest else _spread("K"),),
        why={
            "cmp": "the largest of K values: K − 1 comparisons",
            "add": "the sum of K values: K − 1 additions",
            "div": "one per output",
        },
        why_backward={INPUT: "one addition per output" if largest else "one division per output, one addition per tap"},
        saved="maxpool's positions of the largest values" if largest else "",
    )


def read_global(region: Region) -> tuple[Reading, ...]:
    """B examples, C channels of S values."""
    batch, channels, *spatial = region.inputs[0].shape
    return (Reading(global_card(region.layer.name), (batch, channels, tuple(spatial))),)


@cache
def global_card(name: str) -> Card:
    """The card of ``global_avgpool`` or ``global_maxpool``."""
    largest = name == "global_maxpool"

    def build(b: Builder, sizes: Sizes) -> dict[str, Tensor]:
        x = b.input((sizes[BATCH], sizes["C"], sizes["S"]))
        (global_max_pool if largest else global_average_pool)(b, x)
        return {INPUT: x}

    return Card(
        title=name,
        letters=ROWS | {"C": "channels", "S": "values in each channel (height × width)"},
        build=build,
        equations=(_maximum("x_1 … x_S", "x_1, \\dots, x_S") if largest else _mean("S"),),
        gradients=(_to_largest() if largest else _spread("S"),),
        why={
            "cmp": "the largest of S values: S − 1 comparisons",
            "add": "the sum of S values: S − 1 additions",
            "div": "one per channel",
        },
        why_backward={
            INPUT: "one addition per channel" if largest else "one division per channel; all its values share it"
        },
        saved="global_maxpool's positions of the largest values" if largest else "",
    )


def _maximum(values: str, latex: str) -> Maths:
    return Maths(f"y_p = max({values})", rf"y_p = \max({latex})")


def _mean(count: str) -> Maths:
    return Maths(f"y = (x_1 + … + x_{count})/{count}", rf"y = \frac{{1}}{{{count}}} \sum_{{k=1}}^{{{count}}} x_k")


def _to_largest() -> Maths:
    return Maths(
        "∂L/∂x = g at the largest value, otherwise 0", r"\frac{\partial L}{\partial x} = g \text{ at the largest value}"
    )


def _spread(count: str) -> Maths:
    return Maths(f"∂L/∂x = g/{count} per value", rf"\frac{{\partial L}}{{\partial x}} = \frac{{g}}{{{count}}}")
