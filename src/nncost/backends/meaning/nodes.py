"""Small questions to a region's nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, cast

from nncost.dims import Dim
from nncost.ir import ops
from nncost.ir.graph import Node, Region, Tensor, walk

Operation = TypeVar("Operation")


def nodes_of(region: Region) -> list[Node]:
    """All nodes, nested regions opened."""
    return list(walk(region.items))


def first(nodes: Sequence[Node], kind: type[Operation]) -> Operation | None:
    """The first operation of a kind."""
    return next((node.op for node in nodes if isinstance(node.op, kind)), None)


def mapped(nodes: Sequence[Node], *functions: str) -> list[Node]:
    """The elementwise nodes of those functions."""
    return [node for node in nodes if isinstance(node.op, ops.Map) and node.op.function in functions]


def integers(dims: Sequence[Dim]) -> tuple[int, ...]:
    """Sizes as integers; symbols are refused before a region is read."""
    return tuple(cast("int", dim) for dim in dims)


def widths(pad: ops.Pad | None, axes: int) -> tuple[tuple[int, int], ...]:
    """A padding's widths on the spatial axes; zeros where there is none."""
    if pad is None:
        return ((0, 0),) * axes
    return tuple(zip(integers(pad.before[2:]), integers(pad.after[2:]), strict=True))


def optional(tensors: Sequence[Tensor], position: int) -> Tensor | None:
    """The operand at a position, if there is one."""
    return tensors[position] if position < len(tensors) else None
