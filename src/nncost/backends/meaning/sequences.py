"""Embedding, dropout, attention and recurrent layers."""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np

from nncost.backends.meaning.constants import Constants
from nncost.backends.meaning.layers import Attention, Direction, Dropout, Embedding, Recurrent
from nncost.backends.meaning.nodes import mapped, nodes_of, optional
from nncost.ir import ops
from nncost.ir.graph import Node, Region, Tensor


def embedding(region: Region, constants: Constants) -> Embedding:
    """Whole rows of the table."""
    return Embedding(region.inputs[0], region.inputs[1])


def dropout(region: Region, constants: Constants) -> Dropout | None:
    """The share is what the random numbers are compared with."""
    compared = mapped(nodes_of(region), "greater_equal")
    probability = constants.number(compared[0].inputs[1]) if compared else None
    return None if probability is None else Dropout(region.inputs[0], probability)


def attention(region: Region, constants: Constants) -> Attention | None:
    """The scale, a mask that is added or selects, and a constant mask, which may be causal."""
    nodes = nodes_of(region)
    scaled, selections = mapped(nodes, "mul"), mapped(nodes, "select")
    scale = constants.number(scaled[0].inputs[1]) if scaled else None
    if scale is None:
        return None
    query, key, value, mask = *region.inputs[:3], optional(region.inputs, 3)
    seen = next((found for found in (_condition(node, constants) for node in selections) if found is not None), None)
    rows, columns = query.shape[2], key.shape[2]
    causal = seen is not None and bool(
        np.array_equal(np.broadcast_to(seen, (rows, columns)), np.tri(rows, columns, dtype=bool))
    )
    return Attention(query, key, value, mask, scale, seen, causal)


def _condition(node: Node, constants: Constants) -> Any:
    """A constant condition as (T, S)."""
    source = node.inputs[0]
    spread = constants.producers.get(source)
    if spread is not None and isinstance(spread.op, ops.Broadcast):
        source = spread.inputs[0]
    return constants.value(source)


def recurrent(region: Region, constants: Constants) -> Recurrent | None:
    """One Repeat over the time steps for each direction, from states of zero."""
    loops = [node for node in nodes_of(region) if isinstance(node.op, ops.Repeat)]
    directions = [_direction(region, loop, constants) for loop in loops]
    found = [direction for direction in directions if direction is not None]
    if not loops or len(found) != len(loops):
        return None
    cells = len(region.outputs) > 1 + len(found)
    kind = cast("Literal['rnn', 'lstm', 'gru']", region.layer.name)
    return Recurrent(region.inputs[0], kind, tuple(found), cast("int", found[0].hidden.shape[1]), cells)


def _direction(region: Region, loop: Node, constants: Constants) -> Direction | None:
    op = cast("ops.Repeat", loop.op)
    states, by_time, invariant = loop.inputs[: op.carried], loop.inputs[op.carried], loop.inputs[op.carried + 1 :]
    if op.scanned != 1 or not all(_is_zero(constants.value(state)) for state in states):
        return None
    bias: Tensor | None = None
    source = constants.producers[constants.producers[by_time].inputs[0]]
    if source.op == ops.Map("add"):
        projected, bias = source.inputs
        bias = _unspread(bias, constants)
        source = constants.producers[projected]
    if not isinstance(source.op, ops.Contract) or source.inputs[0] is not region.inputs[0]:
        return None
    hidden_bias = None if len(invariant) < 2 else invariant[1]
    return Direction(source.inputs[1], invariant[0], bias, hidden_bias, op.reverse)


def _is_zero(value: Any) -> bool:
    return value is not None and not value.any()


def _unspread(tensor: Tensor, constants: Constants) -> Tensor:
    node = constants.producers.get(tensor)
    return node.inputs[0] if node is not None and isinstance(node.op, ops.Broadcast) else tensor
