"""The sum of gradients where a value was used more than once."""

from __future__ import annotations

from functools import cache

from nncost.documents.document import Maths
from nncost.explaining.cards.card import Card, Reading, Sizes
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Item, Tensor, walk
from nncost.ir.layers import Operation


def read_fan_in(item: Item) -> tuple[Reading, ...]:
    """E values whose gradients are added; nothing for any other operation."""
    nodes = list(walk([item]))
    if item.phase != "backward" or [node.op for node in nodes] != [ops.Map("add")]:
        return ()
    return (Reading(fan_in_card(), (nodes[0].outputs[0].elements,)),)


@cache
def fan_in_card() -> Card:
    """The card of adding two gradients of one value."""

    def build(b: Builder, sizes: Sizes) -> dict[str, Tensor]:
        first, second = (b.input((sizes["E"],)) for _ in range(2))
        with b.region(Operation("add"), first, second) as region:
            region.returns(b.map("add", first, second))
        return {}

    return Card(
        title="add: gradients of one value",
        letters={"E": "values that were used once more"},
        build=build,
        equations=(Maths("g = g₁ + g₂", "g = g_1 + g_2"),),
        symbols={"g": "gradients of one value"},
        why={"add": "a value used n times receives n gradients: n − 1 additions"},
    )
