"""Exceptions that one part of a step raises for another: to run again in another way. Users never see them."""

from __future__ import annotations

from torch import nn


class NotEqual(Exception):  # noqa: N818 - a signal, not an error
    """A block turned out not to be equal to others: the run starts again and analyses it in full."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__(type(layer).__name__)
        self.layer = layer


class Branched(Exception):  # noqa: N818 - a signal, not an error
    """The model branches on a symbol: the conditions it asked for, and numbers to count at instead."""

    def __init__(self, conditions: list[str], numbers: dict[str, int]) -> None:
        super().__init__(", ".join(conditions))
        self.conditions, self.numbers = conditions, numbers


class ReentrantError(RuntimeError):
    """A checkpoint with ``use_reentrant=True`` only works when gradients are left in the parameters."""
