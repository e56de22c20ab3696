"""Active parameters: those that one token uses, where a router chooses among experts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

HAVE = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "num_routed_experts")
CHOSEN = (
    "num_experts_per_tok", "num_experts_per_token", "moe_top_k", "moe_topk", "moe_k", "top_k_experts", "num_selected_experts",
    "top_k",
)  # fmt: skip
ROUTERS = {"SwitchTransformersTop1Router": 1, "NllbMoeTop2Router": 2}
"""Routers whose choice stands in no configuration, by the name of their class."""
PARTS = ("ffn_config", "text_config")


def active_parameters(module: Any, config: Any) -> int | None:
    """Parameters that one token uses: all of them, less the experts it is not sent to.

    None without experts, and where nothing says how many are chosen.
    """
    groups = list(_groups(module))
    idle = [_idle(experts, layer, config) for experts, layer in groups]
    if not groups or None in idle:
        return None
    return _elements(module) - sum(elements for elements in idle if elements is not None)


def _groups(module: Any) -> Iterator[tuple[Any, Any]]:
    """The outermost groups of routed experts, each with the layer around it."""
    for name, child in module.named_children():
        if is_group(child, name):
            yield child, module
        else:
            yield from _groups(child)


def is_group(module: Any, name: str) -> bool:
    """Whether a layer of that name is a group of experts, among which a router chooses."""
    kind = type(module).__name__
    return (kind.endswith("Experts") and "Shared" not in kind) or (
        name == "experts" and kind in ("ModuleList", "ModuleDict")
    )


def _idle(experts: Any, layer: Any, config: Any) -> int | None:
    """Elements of the experts that a token is not sent to."""
    children = len(experts) if hasattr(experts, "__len__") else None
    have = children or _number(HAVE, [experts, layer, *_configurations(config)])
    routers = [ROUTERS[type(child).__name__] for child in layer.children() if type(child).__name__ in ROUTERS]
    chosen = routers[0] if routers else _number(CHOSEN, [*_configurations(config), layer, *layer.children()])
    if have is None or chosen is None:
        return None
    return _elements(experts) // have * max(0, have - chosen)


def _elements(module: Any) -> int:
    return sum(int(parameter.numel()) for parameter in module.parameters())


def _configurations(config: Any) -> list[Any]:
    return [config, *(getattr(config, name) for name in PARTS if hasattr(config, name))]


def _number(names: Sequence[str], places: Sequence[Any]) -> int | None:
    for place in places:
        for name in names:
            value = getattr(place, name, None)
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                return value
    return None
