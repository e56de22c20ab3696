"""Recurrent networks: layers of a cell in one or both directions over the time steps."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library.recurrent import CellWeights, recurrent


def recurrent_network(b: Builder, kind: str, x: Tensor, layers: Sequence[Sequence[CellWeights]]) -> Tensor:
    """``(B, T, F)`` gives ``(B, T, D·H)``: per layer the weights of its D directions, the second one backwards in time."""
    for directions in layers:
        sides = [recurrent(b, kind, x, weights, reverse=bool(way))[0] for way, weights in enumerate(directions)]
        x = sides[0] if len(sides) == 1 else b.emit(ops.Concat(2), *sides)
    return x
