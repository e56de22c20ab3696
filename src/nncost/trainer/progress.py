"""The progress of a training, for a progress bar and for a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from nncost.trainer.tables.table import Array

PRIOR_STEPS = 20
"""The prediction weighs as much as so many measured steps in the estimate of the time left."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One finished epoch: the mean loss of its steps; scores on the validation rows, or on training rows without any."""

    number: int
    loss: float
    accuracy: float | None = None
    validation_loss: float | None = None
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


@dataclass(slots=True)
class State:
    """Everything besides the engine's arrays that a training needs to go on as if never interrupted.

    ``loss_sum`` and ``examples`` gather the current epoch; ``waited`` counts epochs since the best one.
    """

    epoch: int = 0
    batch: int = 0
    steps: int = 0
    loss_sum: float = 0.0
    examples: int = 0
    epoch_seconds: float = 0.0
    history: list[Epoch] = field(default_factory=list)
    best_loss: float | None = None
    best_epoch: int = 0
    waited: int = 0
    best_values: dict[str, Array] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, without the best values."""
        result = {name: getattr(self, name) for name in self.__slots__ if name not in ("history", "best_values")}
        return {**result, "history": [epoch.to_dict() for epoch in self.history]}

    @staticmethod
    def from_dict(content: Mapping[str, Any], best_values: dict[str, Array]) -> State:
        """The inverse of ``to_dict``. Raise KeyError, TypeError or ValueError for any other content."""
        history = [Epoch(**epoch) for epoch in content["history"]]
        kinds = {"epoch": int, "batch": int, "steps": int, "examples": int, "best_epoch": int, "waited": int}
        numbers = {name: kind(content[name]) for name, kind in kinds.items()}
        if any(number < 0 for number in numbers.values()) or len(history) != numbers["epoch"]:
            raise ValueError("its epochs are not those of its history")
        best = content["best_loss"]
        return State(
            **numbers, loss_sum=float(content["loss_sum"]), epoch_seconds=float(content["epoch_seconds"]),
            history=history, best_loss=None if best is None else float(best), best_values=best_values,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress after a step; ``finished`` is the epoch that ended with it."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    seconds_left: float
    finished: Epoch | None = None


def seconds_left(predicted: float | None, seconds: float, done: int, left: int) -> float:
    """The time of the steps left: as predicted at first, increasingly as measured."""
    if predicted is None:
        return left * seconds / max(1, done)
    return left * (predicted * PRIOR_STEPS + seconds) / (PRIOR_STEPS + done)
