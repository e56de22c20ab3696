"""Ways through the values that a pickle describes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nncost.frontends.weights.arrays import array_of
from nncost.frontends.weights.described import Object, ShapeRecord, TensorRecord, WrapperRecord

_MAX_DEPTH = 32
_MAX_STEPS = 3_000_000
"""Some ten for each tensor of the largest checkpoints."""


class Walk:
    """Goes through values; all its ways together have so many steps, for a small file can share a large list often."""

    def __init__(self) -> None:
        self.steps = 0
        self.known: dict[int, bool] = {}

    def has_tensors(self, value: Any) -> bool:
        """Whether there are tensors in a value."""
        kinds = (TensorRecord, WrapperRecord, ShapeRecord)
        if id(value) not in self.known:
            self.known[id(value)] = any(isinstance(item, kinds) or array_of(item) for _, item in self.leaves(value))
        return self.known[id(value)]

    def leaves(self, value: Any) -> Iterator[tuple[str, Any]]:
        """What is no container, with its dotted name, in order. A container that stands there twice is entered once."""
        seen: set[int] = set()
        waiting: list[tuple[str, Any, int]] = [("", value, 0)]
        while waiting:
            name, item, depth = waiting.pop()
            self.steps += 1
            if self.steps > _MAX_STEPS:
                raise ValueError(f"its values are shared more than {_MAX_STEPS:,} times")
            if id(item) in seen:
                continue
            children = _children(item)
            if children is None:
                yield name, item
                continue
            if depth > _MAX_DEPTH:
                raise ValueError(f"its values are nested more than {_MAX_DEPTH} deep")
            seen.add(id(item))
            named = [(f"{name}.{key}" if name else str(key), child, depth + 1) for key, child in children]
            waiting.extend(reversed(named))


def _children(item: Any) -> list[tuple[Any, Any]] | None:
    if isinstance(item, dict):
        return list(item.items())
    if isinstance(item, Object):
        return None if array_of(item) else list(item.parts.items())
    return list(enumerate(item)) if isinstance(item, (list, tuple)) else None
