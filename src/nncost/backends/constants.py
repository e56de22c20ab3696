"""What of a graph is known before it runs, and which node makes each tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nncost.ir.execute import constants_of
from nncost.ir.graph import Item, Node, Tensor, walk

Array = Any


class Constants:
    """The producers of a graph's tensors, and the values of those that depend only on constants."""

    def __init__(self, items: Sequence[Item], known: Mapping[Tensor, Array] | None = None) -> None:
        self.producers: dict[Tensor, Node] = {output: node for node in walk(items) for output in node.outputs}
        self._values = constants_of(items, known=known)

    def value(self, tensor: Tensor) -> Array | None:
        """Return the tensor's value as an array, or None if it depends on more than constants."""
        return self._values.get(tensor)

    def number(self, tensor: Tensor) -> float | None:
        """Return the value of a constant scalar, or None for anything else."""
        value = None if tensor.rank else self.value(tensor)
        return None if value is None else float(value)
