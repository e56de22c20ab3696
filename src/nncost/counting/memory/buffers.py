"""Pieces of memory under way, and what a tensor holds of them."""

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
class Held:
    """The slots a tensor lies in; those of a stack also by groups of iterations, in the order of its slices."""

    slots: tuple[Slot, ...]
    parts: tuple[Held, ...] = ()


NOTHING = Held(())


def union(parts: Sequence[Held], *, keep_parts: bool = False) -> Held:
    """All slots of several holdings, each once."""
    if len(parts) == 1 and not keep_parts:
        return parts[0]
    slots = tuple(dict.fromkeys(slot for part in parts for slot in part.slots))
    return Held(slots, tuple(parts) if keep_parts else ())
