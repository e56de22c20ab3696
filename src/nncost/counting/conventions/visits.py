"""How often a tool that walks down a tree of layers comes by each one: a layer with two owners is met twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from nncost.ir.call_log import Layer

CONTAINERS = {f"torch.nn.modules.container.{name}" for name in ("Sequential", "ModuleList", "ModuleDict")}


def visits(layers: Mapping[str, Layer], enters: Callable[[Layer], bool] = lambda _: True) -> Counter[str]:
    """The number of visits by path; the tool goes below a layer where ``enters`` says so."""
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
