"""Nodes that cost nothing: constants, computed once before the network runs, and views of other tensors."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from nncost.ir import ops
from nncost.ir.graph import Item, Node, Tensor, walk


def folds(node: Node, constants: Collection[Tensor]) -> bool:
    """Whether a node's outputs are constants, given which tensors are."""
    if isinstance(node.op, ops.Constant):
        return True
    return bool(node.inputs) and all(x in constants for x in node.inputs) and _is_determined(node.op)


def _is_determined(op: ops.Op) -> bool:
    """Whether the results follow from the inputs: nothing in it is random or unknown."""
    if isinstance(op, ops.Repeat):
        return all(_is_determined(node.op) for node in walk(op.body.items))
    return not isinstance(op, (ops.Random, ops.Opaque))


def window_padding(nodes: Sequence[Node]) -> set[Tensor]:
    """Padded tensors that only windows read: a kernel makes the border while it reads, no copy is written."""
    padded = {node.outputs[0] for node in nodes if isinstance(node.op, ops.Pad)}
    for node in nodes:
        if not isinstance(node.op, ops.Window):
            padded.difference_update(node.inputs)
    return padded


def free_nodes(items: Sequence[Item], wanted: Collection[Tensor]) -> list[Node]:
    """The constants and views that the wanted tensors consist of, in execution order."""
    constants: set[Tensor] = set()
    free: dict[Tensor, Node] = {}
    nodes = list(walk(items))
    padding = window_padding(nodes)
    for node in nodes:
        folded = folds(node, constants)
        if folded:
            constants.update(node.outputs)
        if folded or isinstance(node.op, ops.VIEWS) or node.outputs[0] in padding:
            free.update(dict.fromkeys(node.outputs, node))
    needed: set[Node] = set()
    waiting = [tensor for tensor in wanted if tensor in free]
    while waiting:
        node = free[waiting.pop()]
        if node not in needed:
            needed.add(node)
            waiting.extend(tensor for tensor in node.inputs if tensor in free)
    return [node for node in dict.fromkeys(free.values()) if node in needed]
