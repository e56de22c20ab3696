"""The result of a training: how good the network is, and predicted · measured · ratio of its cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nncost.records import field, record
from nncost.shown import Shown
from nncost.timing.prediction import Amounts, ratios
from nncost.trainer.progress import Epoch
from nncost.trainer.scores import Score
from nncost.units import counted, one_line

SCHEMA = "nncost.training/1"


@record
class Training(Shown):
    """A finished or interrupted training: what ``nncost.train`` returns; ``print`` shows what the command prints.

    ``history`` has an entry per epoch. ``test`` is None if it was interrupted or no rows were kept for the test.
    """

    source: str
    engine: str
    dtype: str
    task: str
    labels: Sequence[str]
    loss: str
    settings: Mapping[str, Any]
    rows: Mapping[str, int]
    parameters: int
    steps: int
    history: Sequence[Epoch]
    test: Score | None
    predicted: Amounts
    measured: Amounts
    best_epoch: int | None = None
    stopped_early: bool = False
    interrupted: bool = False
    files: Sequence[str] = ()
    notes: Sequence[str] = ()
    predicted_by: str = ""
    scaling: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        epochs = counted(len(self.history), "epoch")
        accuracy = "" if self.test_accuracy is None else f", test accuracy {self.test_accuracy:.1%}"
        return f"<Training of {one_line(self.source)}: {epochs}{accuracy}>"

    @property
    def test_accuracy(self) -> float | None:
        """The share of test rows whose class is right; None for a regression."""
        return None if self.test is None else self.test.accuracy

    def to_dict(self) -> dict[str, Any]:
        """Exactly the JSON that ``nncost train --json`` prints."""
        test = self.test
        return {
            "schema": SCHEMA, "test_accuracy": self.test_accuracy,
            "test_loss": None if test is None else test.loss,
            "test_rmse": None if test is None else test.rmse,
            "test_r2": None if test is None else test.r2,
            "predicted": {kind: dict(amounts) for kind, amounts in self.predicted.items()},
            "measured": {kind: dict(amounts) for kind, amounts in self.measured.items()},
            "ratio": ratios(self.predicted, self.measured), "predicted_by": self.predicted_by,
            "source": self.source, "engine": self.engine, "dtype": self.dtype, "task": self.task,
            "classes": list(self.labels), "loss": self.loss, "settings": dict(self.settings),
            "rows": dict(self.rows), "parameters": self.parameters, "epochs": len(self.history), "steps": self.steps,
            "best_epoch": self.best_epoch, "stopped_early": self.stopped_early, "interrupted": self.interrupted,
            "history": [epoch.to_dict() for epoch in self.history], "files": list(self.files),
            "notes": list(self.notes),
        }  # fmt: skip
