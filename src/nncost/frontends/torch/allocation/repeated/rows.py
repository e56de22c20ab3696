"""Rows of equal blocks, or of equal calls of one layer: which of them run in full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from nncost.frontends.torch.allocation.repeated.followed import Followed
from nncost.frontends.torch.allocation.repeated.passes import Backward, Forward

Call = tuple[nn.Module, int]
"""A layer, and which of its calls is meant."""


@dataclass(slots=True, eq=False)
class Row:
    """Equal blocks in the order in which they run, or equal calls of one layer.

    ``full`` are the places of those that run in full: the backward pass of the one at ``example`` is repeated, that at
    ``check`` must be like it. ``sums`` know the gradients of shared parameters so far: the first to add to one may find
    a view, and make another tensor, the next add to that.
    """

    calls: Sequence[Call]
    full: set[int]
    is_shared: bool
    check: int
    example: int
    forward: Forward | None = None
    backward: Backward | None = None
    followed: dict[int, Followed] = field(default_factory=dict)
    parts: Sequence[tuple[list[Any], int | None]] = ()
    freed_incoming: Sequence[tuple[int, bool]] = ()
    sums: list[Any] = field(default_factory=list)
    next: int = 0

    def left_out(self) -> list[nn.Module]:
        """The layers that do not run at all."""
        return [layer for place, (layer, _) in enumerate(self.calls) if place not in self.full and not self.is_shared]


def repeated_rows(groups: Sequence[Sequence[Call]], *, trains: bool) -> list[Row]:
    """The rows in which blocks are left out."""
    rows: list[Row] = []
    for calls in groups:
        is_shared = len({layer for layer, _ in calls}) < len(calls)
        check = 1 if is_shared and trains else 0  # with the first call, gradients of shared parameters are complete
        example = len(calls) - (1 if not trains else 3 if is_shared else 2)
        full = {*range(check + 1), *range(example, len(calls))}
        if check < example and len(full) < len(calls):
            rows.append(Row(calls, full, is_shared, check, example))
    return rows
