"""Constants: nodes that depend on nothing else are computed once, before the network runs, and are free."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from nncost.ir import ops
from nncost.ir.graph import Item, Node, Tensor, walk


def folds(node: Node, constants: Collection[Tensor]) -> bool:
    """Whether a node's outputs are constants, given which tensors are."""
    if isinstance(node.op, (ops.Random, ops.Opaque)):
        return False
    return isinstance(node.op, ops.Constant) or (bool(node.inputs) and all(x in constants for x in node.inputs))


def constant_nodes(items: Sequence[Item], wanted: Collection[Tensor]) -> list[Node]:
    """The nodes that compute those of the wanted tensors that are constants, in execution order."""
    constants: dict[Tensor, Node] = {}
    for node in walk(items):
        if folds(node, constants):
            constants.update(dict.fromkeys(node.outputs, node))
    needed: set[Node] = set()
    waiting = [tensor for tensor in wanted if tensor in constants]
    while waiting:
        node = constants[waiting.pop()]
        if node not in needed:
            needed.add(node)
            waiting.extend(node.inputs)
    return [node for node in dict.fromkeys(constants.values()) if node in needed]
