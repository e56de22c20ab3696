"""Scores of outputs: the loss, and the share of right classes or the error in the target's unit."""

from __future__ import annotations

import numpy as np

from nncost.ir.builder import Builder
from nncost.ir.execute import execute
from nncost.ir.training.losses import emit_loss
from nncost.records import record
from nncost.trainer.examples import Examples
from nncost.trainer.tables.table import Array
from nncost.trainer.task import CLASSIFICATION

HALF = 0.5
_LIMITS = np.finfo(np.float32)
"""A probability that has become 0 or 1 is taken as the nearest number of that type inside."""


@record
class Score:
    """``accuracy`` is None for a regression; ``rmse`` (in the target's unit) and ``r2`` are None for a classification."""

    loss: float
    accuracy: float | None = None
    rmse: float | None = None
    r2: float | None = None


def score_of(examples: Examples, rows: Array, outputs: Array, loss: str, *, probabilities: bool) -> Score:
    """The score of a network's outputs for some rows; ``probabilities`` says that they come from a softmax."""
    y = outputs.astype(np.float64)
    with np.errstate(all="ignore"):
        value = _loss(examples, rows, y, loss, probabilities=probabilities)
        truth = examples.task.targets[rows]
        if examples.task.kind == CLASSIFICATION:
            chosen = y.argmax(axis=1) if y.shape[1] > 1 else (y[:, 0] > _threshold(loss)).astype(np.int64)
            return Score(value, accuracy=float((chosen == truth).mean()))
        assert examples.amounts is not None
        rest = examples.amounts.undo(y[:, 0]) - truth
        spread = float(((truth - truth.mean()) ** 2).sum())
        squares = float((rest**2).sum())
        return Score(value, rmse=float(np.sqrt((rest**2).mean())), r2=1 - squares / spread if spread else None)


def _threshold(loss: str) -> float:
    """The single output above which an example is of the second class."""
    return 0.0 if loss == "binary_cross_entropy_with_logits" else HALF


def _loss(examples: Examples, rows: Array, y: Array, loss: str, *, probabilities: bool) -> float:
    """Run the counted graph of the loss on some outputs."""
    if loss == "binary_cross_entropy":
        y = np.clip(y, _LIMITS.tiny, 1 - _LIMITS.epsneg)
    elif loss == "cross_entropy" and probabilities:  # The softmax of their logarithms is what they are.
        y = np.log(np.maximum(y, _LIMITS.tiny))
    b = Builder(dtype="float64")
    x = b.input(y.shape)
    value, _ = emit_loss(b, loss, b.graph(b.map("identity", x)), 1)
    target = examples.targets(rows, loss, y.shape[1], "float64")
    return float(execute(b.graph(value), {x: y, b.inputs[1]: target})[value])
