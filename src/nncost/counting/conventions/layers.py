"""Layers as other tools see them: how often a walk down the tree visits each one, and what goes in and comes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from math import prod

from nncost.ir.call_log import Layer, LayerCall, sizes

LayerRule = Callable[[LayerCall, Layer], int]
"""What a tool counts for one call of a layer."""
CONTAINERS = {f"torch.nn.modules.container.{name}" for name in ("Sequential", "ModuleList", "ModuleDict")}


def visits(layers: Mapping[str, Layer], enters: Callable[[Layer], bool] = lambda _: True) -> Counter[str]:
    """Return the number of visits by path, two for a layer with two owners; the tool goes below a layer if ``enters`` says so."""
    found: Counter[str] = Counter()
    waiting = [""]
    while waiting:
        layer = layers[waiting.pop()]
        found[layer.path] += 1
        if enters(layer):
            waiting += layer.children
    return found


def is_leaf(layer: Layer, layers: Mapping[str, Layer]) -> bool:
    """Whether nothing is below a layer but empty containers."""
    return all(layers[child].kind in CONTAINERS and not layers[child].children for child in layer.children)


def inputs(call: LayerCall, layer: Layer) -> int:
    """The elements of the layer's first input."""
    return prod(sizes(call.inputs[0]))


def outputs(call: LayerCall, layer: Layer) -> int:
    """The elements of the layer's output."""
    return prod(sizes(call.output))
