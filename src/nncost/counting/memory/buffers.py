"""Allocations whose end is not known yet, and those that a tensor holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nncost.dims import Dim
from nncost.ir.graph import Phase
from nncost.ir.storage import AllocationKind
from nncost.records import record


@dataclass(slots=True, eq=False)
class Slot:
    """An allocation from position ``born`` until after position ``last``, or to the end of the step."""

    bytes: Dim
    born: int
    last: int
    path: str
    phase: Phase
    kind: AllocationKind = "value"
    outlives: bool = False


@record
class Holding:
    """The slots a tensor lies in; those of a stack also by groups of iterations, in the order of its slices."""

    slots: tuple[Slot, ...]
    parts: tuple[Holding, ...] = ()


NOTHING = Holding(())


def union(parts: Sequence[Holding], *, keep_parts: bool = False) -> Holding:
    """All slots of several holdings, each once."""
    if len(parts) == 1 and not keep_parts:
        return parts[0]
    slots = tuple(dict.fromkeys(slot for part in parts for slot in part.slots))
    return Holding(slots, tuple(parts) if keep_parts else ())
