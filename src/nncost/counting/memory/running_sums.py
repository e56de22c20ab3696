"""Which stacks of gradients are only ever added up: those are gathered in a running sum and never stand in memory whole.

The gradient of a weight that all iterations of a loop share is written as a stack of T gradients and one
sum over it, so that T−1 additions are counted. In memory, each is added to the sum as soon as it is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from nncost.ir import ops
from nncost.ir.autodiff import PEELED
from nncost.ir.graph import Node, Tensor


@dataclass(slots=True)
class RunningSums:
    """``total`` gives, for each tensor that is added up, the tensor that holds the sum."""

    total: dict[Tensor, Tensor] = field(default_factory=dict)
    nodes: set[Node] = field(default_factory=set)


def running_sums(nodes: Sequence[Node]) -> RunningSums:
    """The sums among the nodes of one block."""
    found = RunningSums()
    if not any(isinstance(node.op, ops.Repeat) and node.phase == "backward" for node in nodes):
        return found
    maker = {output: node for node in nodes for output in node.outputs}
    readers = Counter(tensor for node in nodes for tensor in node.inputs)
    for node in nodes:
        if node.phase == "backward" and node.op == ops.Reduce("sum", (0,)):
            parts = _parts(node.inputs[0], maker, readers)
            if parts is not None and any(_is_stack(part, maker) for part in parts):
                found.total.update(dict.fromkeys(parts, node.outputs[0]))
                found.nodes.add(node)
    return found


def _parts(stack: Tensor, maker: dict[Tensor, Node], readers: Counter[Tensor]) -> list[Tensor] | None:
    """The gradients in a stack; None where something else reads one of them."""
    made = maker.get(stack)
    if made is None or readers[stack] != 1:
        return None
    if not (isinstance(made.op, ops.Concat) and made.origin == PEELED):
        return [stack]
    parts: list[Tensor] = []
    for piece in made.inputs:
        source, by = piece, maker.get(piece)
        if by is not None and isinstance(by.op, ops.Reshape) and by.origin == PEELED:
            source = by.inputs[0]
        if readers[piece] != 1 or readers[source] != 1 or source not in maker:
            return None
        parts.append(source)
    return parts


def _is_stack(tensor: Tensor, maker: dict[Tensor, Node]) -> bool:
    """Whether a loop stacks this tensor."""
    node = maker[tensor]
    return isinstance(node.op, ops.Repeat) and tensor in node.outputs[node.op.carried :]
