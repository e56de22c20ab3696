"""Caches of keys and values: where the new ones stand among those of steps before."""

from __future__ import annotations

from nncost.dims import Dim, same
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor


def appended(b: Builder, past: Tensor, new: Tensor, used: Dim) -> tuple[Tensor, Tensor]:
    """``past`` (B, G, P, E) with ``used`` valid positions, ``new`` (B, G, T, E): all valid ones, and the cache afterwards.

    A cache with room keeps its length; what stands behind the valid positions stays there. Nothing is computed.
    """
    room = past.shape[2] - used
    kept = past if same(room, 0) else b.pad(past, 2, 0, -room)
    valid = b.concat([kept, new], 2)
    left = room - new.shape[2]
    if same(room, 0) or (isinstance(left, int) and left <= 0):
        return valid, valid
    return valid, b.concat([valid, b.pad(past, 2, -(used + new.shape[2]), 0)], 2)
