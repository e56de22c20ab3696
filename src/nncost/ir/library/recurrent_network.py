"""Recurrent networks: layers of a cell in one or both directions over the time steps."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library.recurrent import CellWeights, recurrent


def recurrent_network(
    b: Builder, kind: str, x: Tensor, layers: Sequence[Sequence[CellWeights]], *, batch_first: bool
) -> Tensor:
    """``(B, T, F)`` gives ``(B, T, D·H)``: per layer the weights of its D directions, the second one backwards in time.

    Without ``batch_first`` the first two axes of both are exchanged.
    """
    x = x if batch_first else b.transpose(x, (1, 0, 2))
    for directions in layers:
        sides = [recurrent(b, kind, x, weights, reverse=bool(way))[0] for way, weights in enumerate(directions)]
        x = b.concat(sides, 2)
    return x if batch_first else b.transpose(x, (1, 0, 2))
