"""The data of a training: scaled examples, targets in the form that the loss takes, and the split into parts."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np

from nncost.errors import OptionError, SourceError
from nncost.trainer import scaling
from nncost.trainer.dataset import features_of, target_of
from nncost.trainer.network import Network, bounded_below, check_indices, check_width
from nncost.trainer.scaling import Scaling
from nncost.trainer.settings import TrainingSettings
from nncost.trainer.split import Split, split_rows
from nncost.trainer.tables import Table
from nncost.trainer.tables.table import Array, names_of
from nncost.trainer.task import CLASSIFICATION, Task, task_of


@dataclass(frozen=True, slots=True)
class Examples:
    """``x``: (rows, *input shape) as the network takes it; ``task.targets`` are unscaled class numbers or amounts."""

    x: Array
    task: Task
    split: Split
    names: tuple[str, ...]
    target: str
    inputs: Scaling
    amounts: Scaling | None
    notes: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        """A digest of the examples and their parts: a training is resumed only with the same ones."""
        digest = sha256(repr((self.x.shape, self.x.dtype.str)).encode())
        for array in (self.x, self.task.targets, self.split.train, self.split.validation, self.split.test):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def targets(self, rows: Array, loss: str, units: int, dtype: str) -> Array:
        """Class numbers for cross-entropy, otherwise one number per output."""
        chosen = self.task.targets[rows]
        if self.task.kind != CLASSIFICATION:
            assert self.amounts is not None
            return self.amounts.apply(chosen)[:, None].astype(dtype)
        if loss == "cross_entropy":
            return chosen
        return chosen[:, None].astype(dtype) if units == 1 else np.eye(units, dtype=dtype)[chosen]

    def to_dict(self) -> dict[str, Any]:
        """The scaling and the column names, for whoever uses the weights."""
        return {
            "columns": list(self.names), "inputs": self.inputs.to_dict(),
            "target": None if self.amounts is None else self.amounts.to_dict(),
        }  # fmt: skip


def examples_of(table: Table, network: Network, settings: TrainingSettings, dtype: str) -> Examples:
    """The examples of a table for a network. Raise an NncostError if they do not fit."""
    if settings.target is None:
        names = names_of([column.name for column in table.columns])
        raise OptionError("nncost train needs the column to be learned.", hint=f"--target NAME, one of: {names}.")
    column = target_of(table, settings.target)
    features = features_of(table, column.name, settings.ignore)
    check_width(network, features.names, column.name)
    task = task_of(column, network.units, settings.task)
    is_classes = task.kind == CLASSIFICATION
    split = split_rows(
        task.targets if is_classes else None, table.rows,
        test=settings.test_share, validation=settings.validation_share, seed=settings.seed,
    )  # fmt: skip
    if len(split.train) < settings.batch:
        raise SourceError(
            f"{len(split.train):,} of {table.rows:,} rows are for training, fewer than one batch of {settings.batch:,}.",
            hint=f"For example: --batch {max(1, len(split.train) // 4)}",
        )
    if network.takes_indices:
        check_indices(network, features.numbers, features.names)
    chosen = (
        scaling.unscaled(len(features.names))
        if network.takes_indices
        else scaling.standard(features.numbers[split.train])
    )
    x = chosen.apply(features.numbers).astype("int64" if network.takes_indices else dtype)
    amounts, notes = None, []
    if not is_classes:
        fit = scaling.unit_range if bounded_below(network) else scaling.standard
        amounts = fit(task.targets[split.train])
        if bounded_below(network):
            notes.append(
                f"the last layer's {network.ending} does not give every number: the target is scaled to 0…1. "
                "A last layer without an activation (…-1:none) learns amounts more easily."
            )
    return Examples(
        x.reshape(-1, *network.inputs), task, split, features.names, column.name, chosen, amounts, tuple(notes)
    )
