"""The protocol of an engine: take a step on a batch, give outputs for examples, hand out its state as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from nncost.trainer.tables.table import Array


class Engine(Protocol):
    """Arrays go in and out; ``values`` and ``state`` are copies that a checkpoint can hold."""

    name: str

    def prepare_for(self, batch: int) -> object:
        """Prepare for batches of that size, so that no step spends time on it."""
        ...

    def step(self, x: Array, target: Array, number: int) -> float:
        """Take the ``number``-th training step (from 1) and return the loss before the update."""
        ...

    def outputs(self, x: Array) -> Array:
        """Return the network's outputs in inference mode: no dropout, running averages."""
        ...

    def values(self) -> dict[str, Array]:
        """Parameters and buffers by name."""
        ...

    def state(self) -> dict[str, Array]:
        """The optimizer's state by name."""
        ...

    def restore(self, values: Mapping[str, Array], state: Mapping[str, Array]) -> None:
        """Continue from what ``values`` and ``state`` returned."""
        ...
