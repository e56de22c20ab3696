"""A training as documents: what was decided, and how it went with predicted · measured · ratio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from nncost.documents.document import NONE, Block, Cell, Document, Facts, Note, Number, Paragraph, Section, Table
from nncost.timing.prediction import ratios
from nncost.trainer.outcome import Training
from nncost.trainer.progress import Epoch, Progress
from nncost.units import compact, counted, exact, seconds_text
from nncost.views.cells import ratio, seconds, size

if TYPE_CHECKING:
    from nncost.trainer.run import PreparedTraining

_PERCENT = 100
_SHOWN_LABELS = 10
_Write = Callable[[float], Number]


def _operations(amount: float) -> Number:
    return Number(amount, compact(int(amount)))


_ROWS: tuple[tuple[str, str, str, _Write], ...] = (
    ("operations of a step", "operations", "step", _operations),
    ("… of one example", "operations", "step_of_one_example", _operations),
    ("operations of the run", "operations", "run", _operations),
    ("seconds of a step", "seconds", "step", seconds),
    ("seconds of the run", "seconds", "run", seconds),
    ("memory of a step", "memory", "step_peak", size),
)


def decided_document(prepared: PreparedTraining) -> Document:
    """Return what was recognised and chosen, before the first step."""
    name, target = prepared.network.name, prepared.examples.target
    notes = (Note(f"Note: {note}") for note in (*prepared.examples.notes, *prepared.costs.notes))
    return Document(f"{name} learns {target}", (Section("", (Facts(tuple(_decisions(prepared))), *notes)),))


def _decisions(prepared: PreparedTraining) -> Iterator[tuple[str, str]]:
    examples, settings, costs = prepared.examples, prepared.settings, prepared.costs
    parts = {"training": examples.split.train, "validation": examples.split.validation, "the test": examples.split.test}
    yield "rows", ", ".join(f"{len(part):,} for {name}" for name, part in parts.items() if len(part))
    labels = list(examples.task.labels)
    more = "" if len(labels) <= _SHOWN_LABELS else f" … {labels[-1]}"
    classes = f"{counted(len(labels), 'class')}: {', '.join(labels[:_SHOWN_LABELS])}{more}"
    yield "task", classes if labels else f"a number, {examples.target}"
    frozen = costs.parameters - costs.trainable
    in_training = f"{exact(costs.trainable)} in training, {exact(frozen)} frozen" if frozen else "all in training"
    yield "parameters", f"{exact(costs.parameters)} ({in_training})"
    yield "engine", f"{prepared.engine.name}, {prepared.dtype}"
    update = f"{settings.optimizer} at the learning rate {settings.learning_rate:g}, loss {prepared.loss}"
    yield "training", f"{counted(settings.epochs, 'epoch')} in batches of {exact(settings.batch)}, {update}"
    if costs.predicted_step is not None:
        run = seconds_text(costs.predicted["seconds"]["run"])
        yield "predicted", f"{seconds_text(costs.predicted_step)} a step, {run} in all ({costs.predicted_by})"


def epoch_line(progress: Progress, epoch: Epoch) -> str:
    """One finished epoch on one line."""
    width = len(str(progress.epochs))
    parts = [f"epoch {epoch.number:>{width}}/{progress.epochs}", f"loss {epoch.loss:.4f}"]
    if epoch.validation_loss is not None:
        parts.append(f"validation loss {epoch.validation_loss:.4f}")
    if epoch.accuracy is not None:
        parts.append(accuracy_text(epoch))
    if progress.step < progress.steps:
        parts.append(f"{seconds_text(progress.seconds_left)} left")
    return "  ".join(parts)


def accuracy_text(epoch: Epoch) -> str:
    """The accuracy of an epoch, and of which rows it is."""
    rows = "training" if epoch.validation_loss is None else "validation"
    return "" if epoch.accuracy is None else f"{rows} accuracy {_percent(epoch.accuracy)}"


def _percent(share: float) -> str:
    return f"{_PERCENT * share:.1f} %"


def train_document(training: Training) -> Document:
    """Return how good the network is, what it cost and the files that hold it."""
    title, *lines = _result(training)
    blocks: list[Block] = [*map(Paragraph, lines), _comparison(training)]
    if training.files:
        blocks.append(Facts(tuple(("wrote", path) for path in training.files)))
    blocks += [Note(f"Note: {note}") for note in training.notes]
    return Document(title, (Section("", tuple(blocks)),))


def _result(training: Training) -> list[str]:
    epochs = f"{counted(len(training.history), 'epoch')}, {counted(training.steps, 'step')}"
    if training.interrupted:
        return [f"interrupted after {epochs}"]
    lines = [f"stopped early after {epochs}" if training.stopped_early else f"trained {epochs}"]
    if training.best_epoch is not None:
        lines.append(f"the parameters are those of epoch {training.best_epoch}, which had the lowest validation loss")
    test = training.test
    if test is None:
        return [*lines, "no rows were kept for a test"]
    rows = f"({counted(training.rows['test'], 'row')})"
    if test.accuracy is not None:
        return [*lines, f"test accuracy {_percent(test.accuracy)} {rows}"]
    determined = "" if test.r2 is None else f", R² {test.r2:.3f}"
    return [*lines, f"test error {test.rmse:.4g} (root mean square, in the target's unit){determined} {rows}"]


def _comparison(training: Training) -> Table:
    found = ratios(training.predicted, training.measured)
    rows: list[tuple[Cell, ...]] = []
    for title, kind, name, write in _ROWS:
        predicted, measured = training.predicted.get(kind, {}).get(name), training.measured.get(kind, {}).get(name)
        quotient = found.get(kind, {}).get(name)
        if predicted is not None or measured is not None:
            amounts = (NONE if amount is None else write(amount) for amount in (predicted, measured))
            rows.append((title, *amounts, NONE if quotient is None else ratio(quotient)))
    return Table(("", "predicted", "measured", "ratio"), tuple(rows))
