"""What of a graph is known before it runs: the nodes that depend on constants alone, by value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nncost.ir import ops
from nncost.ir.execute import execute
from nncost.ir.graph import Graph, Item, Node, Tensor, walk

Array = Any


class Constants:
    """The producers of a graph's tensors, and the values of those that no input reaches."""

    def __init__(self, items: Sequence[Item], known: Mapping[Tensor, Array] | None = None) -> None:
        self.producers: dict[Tensor, Node] = {output: node for node in walk(items) for output in node.outputs}
        self._values: dict[Tensor, Array | None] = dict(known or {})

    def value(self, tensor: Tensor) -> Array | None:
        """The tensor's value as an array, or None where it depends on more than constants."""
        if tensor not in self._values:
            node = self.producers.get(tensor)
            arguments = None if node is None else self._arguments(node)
            if node is None or arguments is None:
                self._values[tensor] = None
            else:
                results = _run(node, arguments)
                self._values.update(zip(node.outputs, results, strict=True))
        return self._values[tensor]

    def number(self, tensor: Tensor) -> float | None:
        """The value of a constant scalar; None for anything else."""
        value = None if tensor.rank else self.value(tensor)
        return None if value is None else float(value)

    def _arguments(self, node: Node) -> list[Array] | None:
        if isinstance(node.op, (ops.Random, ops.Repeat, ops.Algorithm, ops.Opaque)):
            return None
        found = []
        for tensor in node.inputs:
            value = self.value(tensor)
            if value is None:
                return None
            found.append(value)
        return found


def _run(node: Node, arguments: Sequence[Array]) -> list[Array]:
    graph = Graph(node.inputs, (), node.outputs, (node,))
    values = execute(graph, dict(zip(node.inputs, arguments, strict=True)))
    return [np.asarray(values[output]) for output in node.outputs]
