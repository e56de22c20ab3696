"""What an engine does: one step on a batch, outputs for examples, and its state in arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from nncost.trainer.tables.table import Array


class Engine(Protocol):
    """Arrays go in and out; ``values`` and ``state`` are copies that a checkpoint can hold."""

    name: str

    def prepare_for(self, batch: int) -> None:
        """Get ready for batches of that size, so that no step takes the time for it."""
        ...

    def step(self, x: Array, target: Array, number: int) -> float:
        """One training step, the ``number``-th from 1; the loss before the update."""
        ...

    def outputs(self, x: Array) -> Array:
        """The network's outputs as after training: no dropout, running averages."""
        ...

    def values(self) -> dict[str, Array]:
        """Parameters and buffers by name."""
        ...

    def state(self) -> dict[str, Array]:
        """The optimizer's state by name."""
        ...

    def restore(self, values: Mapping[str, Array], state: Mapping[str, Array]) -> None:
        """Continue from what ``values`` and ``state`` gave."""
        ...
