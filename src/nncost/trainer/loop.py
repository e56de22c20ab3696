"""The training loop: epochs of batches in a random order that only the seed and the epoch decide."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from nncost.errors import TrainingError
from nncost.trainer.engine import Engine
from nncost.trainer.examples import Examples
from nncost.trainer.network import Network
from nncost.trainer.progress import Epoch, Progress, State, seconds_left
from nncost.trainer.scores import Score, score_of
from nncost.trainer.settings import TrainingSettings
from nncost.trainer.tables.table import Array

ORDER_STREAM = 1
"""Which of a seed's streams of random numbers the order of the examples comes from."""
SCORED_ROWS = 1_000
"""Training rows that an epoch is scored on if no rows are kept for validation."""
Listener = Callable[[Progress], None]


def batches_of(rows: int, batch: int) -> int:
    """The steps of one pass over the rows; the last batch may be smaller."""
    return -(-rows // batch)


@dataclass(slots=True)
class Loop:
    """A running training. ``predicted_step`` is in seconds; ``interrupted`` is called after each step."""

    engine: Engine
    network: Network
    examples: Examples
    settings: TrainingSettings
    dtype: str
    loss: str
    state: State = field(default_factory=State)
    predicted_step: float | None = None
    on_step: Listener = lambda progress: None
    interrupted: Callable[[], bool] = lambda: False
    checkpoint: Callable[[State], None] = lambda state: None
    durations: list[float] = field(default_factory=list)

    @property
    def batches(self) -> int:
        """The steps of an epoch; the last batch may be smaller."""
        return batches_of(len(self.examples.split.train), self.settings.batch)

    @property
    def stopped_early(self) -> bool:
        """Whether the validation loss has not improved for as many epochs as patience allows."""
        return self.settings.patience is not None and self.state.waited >= self.settings.patience

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.state.epoch >= self.settings.epochs or self.stopped_early

    def run(self) -> bool:
        """Train to the end and return True; False if it was interrupted. Raise TrainingError if the loss becomes nan or inf."""
        while not self.finished:
            if not self._epoch():
                return False
        if self.settings.patience is not None and self.state.best_values:
            self.engine.restore(self.state.best_values, self.engine.state())
        return True

    def _epoch(self) -> bool:
        state, size = self.state, self.settings.batch
        rows = self.examples.split.train
        order = rows[np.random.default_rng([self.settings.seed, ORDER_STREAM, state.epoch]).permutation(len(rows))]
        for number in range(state.batch, self.batches):
            self._step(order[number * size : (number + 1) * size])
            state.batch = number + 1
            is_last = state.batch == self.batches
            finished = self._finish_epoch() if is_last else None
            self._report_step(finished)
            if is_last:
                self.checkpoint(state)
            if self.interrupted() and not self.finished:
                return False
        return True

    def _step(self, rows: Array) -> None:
        state = self.state
        x = self.examples.x[rows]
        target = self.examples.targets(rows, self.loss, self.network.units, self.dtype)
        state.steps += 1
        start = time.perf_counter()
        loss = self.engine.step(x, target, state.steps)
        duration = time.perf_counter() - start
        self.durations.append(duration)
        if not math.isfinite(loss):
            self._diverged(loss)
        state.loss_sum += loss * len(rows)
        state.examples += len(rows)
        state.epoch_seconds += duration

    def _diverged(self, loss: float) -> None:
        rate = self.settings.learning_rate
        raise TrainingError(
            f"the loss became {loss} in epoch {self.state.epoch + 1}, step {min(self.state.batch + 1, self.batches)} of {self.batches}, "
            f"with {self.settings.optimizer} at the learning rate {rate:g}.",
            hint=f"Lower it:  --learning-rate {rate / 10:g}",
        )

    def _finish_epoch(self) -> Epoch:
        state = self.state
        validation = self.examples.split.validation if len(self.examples.split.validation) else None
        found = self.score(self.examples.split.train[:SCORED_ROWS] if validation is None else validation)
        if not math.isfinite(found.loss):
            self._diverged(found.loss)
        epoch = Epoch(
            state.epoch + 1, state.loss_sum / state.examples, found.accuracy,
            None if validation is None else found.loss, state.epoch_seconds,
        )  # fmt: skip
        state.history.append(epoch)
        state.epoch, state.batch = state.epoch + 1, 0
        state.loss_sum, state.examples, state.epoch_seconds = 0.0, 0, 0.0
        self._note_best(epoch)
        return epoch

    def _note_best(self, epoch: Epoch) -> None:
        """Keep the parameters of the epoch with the lowest validation loss, if patience is given."""
        if self.settings.patience is None or epoch.validation_loss is None:
            return
        state = self.state
        if state.best_loss is None or epoch.validation_loss < state.best_loss:
            state.best_loss, state.best_epoch, state.waited = epoch.validation_loss, epoch.number, 0
            state.best_values = self.engine.values()
        else:
            state.waited += 1

    def score(self, rows: Array) -> Score:
        """The score on some rows in inference mode."""
        outputs = self.engine.outputs(self.examples.x[rows])
        return score_of(self.examples, rows, outputs, self.loss, probabilities=self.network.ending == "softmax")

    def _report_step(self, finished: Epoch | None) -> None:
        state, total = self.state, self.settings.epochs * self.batches
        loss = finished.loss if finished else state.loss_sum / state.examples
        done = len(self.durations)
        left = seconds_left(self.predicted_step, sum(self.durations), done, total - state.steps)
        epoch = finished.number if finished else state.epoch + 1
        self.on_step(Progress(epoch, self.settings.epochs, state.steps, total, loss, left, finished))
