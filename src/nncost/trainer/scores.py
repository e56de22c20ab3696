"""How good outputs are: the loss and, for classes, the share that is right; for amounts, the error in their unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nncost.trainer.examples import Examples
from nncost.trainer.tables.table import Array
from nncost.trainer.task import CLASSIFICATION

HALF = 0.5
_LIMITS = np.finfo(np.float32)
"""A probability that has become 0 or 1 is taken as the nearest number of that type inside."""


@dataclass(frozen=True, slots=True)
class Score:
    """``accuracy`` is None for amounts; ``rmse`` (in the target's unit) and ``r2`` are None for classes."""

    loss: float
    accuracy: float | None = None
    rmse: float | None = None
    r2: float | None = None


def score(examples: Examples, rows: Array, outputs: Array, loss: str, *, probabilities: bool) -> Score:
    """The score of a network's outputs for some rows; ``probabilities`` says that a softmax is behind them."""
    y = outputs.astype(np.float64)
    with np.errstate(all="ignore"):
        value = _loss(examples, rows, y, loss, probabilities=probabilities)
        truth = examples.task.targets[rows]
        if examples.task.kind == CLASSIFICATION:
            chosen = y.argmax(axis=1) if y.shape[1] > 1 else (y[:, 0] > HALF).astype(np.int64)
            return Score(value, accuracy=float((chosen == truth).mean()))
        assert examples.amounts is not None
        rest = examples.amounts.undo(y[:, 0]) - truth
        spread = float(((truth - truth.mean()) ** 2).sum())
        squares = float((rest**2).sum())
        return Score(value, rmse=float(np.sqrt((rest**2).mean())), r2=1 - squares / spread if spread else None)


def _loss(examples: Examples, rows: Array, y: Array, loss: str, *, probabilities: bool) -> float:
    target = examples.targets(rows, loss, y.shape[1], "float64")
    if loss == "squared_error":
        return float(((y - target) ** 2).mean())
    if loss == "binary_cross_entropy":
        inside = np.clip(y, _LIMITS.tiny, 1 - _LIMITS.epsneg)
        return float(-(target * np.log(inside) + (1 - target) * np.log1p(-inside)).mean())
    if probabilities:
        return float(-np.log(np.maximum(y[np.arange(len(y)), target], _LIMITS.tiny)).mean())
    shifted = y - y.max(axis=1, keepdims=True)
    return float((np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(y)), target]).mean())
