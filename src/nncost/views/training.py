"""A training as text: what was decided, how it went, and predicted · measured · ratio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from nncost.trainer.outcome import Training, ratios
from nncost.trainer.progress import Epoch, Progress
from nncost.units import bytes_text, compact, seconds_text

if TYPE_CHECKING:
    from nncost.trainer.run import PreparedTraining

_PERCENT = 100
_MARGIN = 12
_COLUMN = 14
_SHOWN_LABELS = 10
_LINES: tuple[tuple[str, str, str, Callable[[float], str]], ...] = (
    ("operations of a step", "operations", "step", lambda x: compact(int(x))),
    ("… of one example", "operations", "step_of_one_example", lambda x: compact(int(x))),
    ("operations of the run", "operations", "run", lambda x: compact(int(x))),
    ("seconds of a step", "seconds", "step", seconds_text),
    ("seconds of the run", "seconds", "run", seconds_text),
    ("memory of a step", "memory", "step_peak", bytes_text),
)


def decided(prepared: PreparedTraining) -> str:
    """What was recognised and chosen, before the first step."""
    examples, settings, costs = prepared.examples, prepared.settings, prepared.costs
    parts = {"training": examples.split.train, "validation": examples.split.validation, "the test": examples.split.test}
    rows = ", ".join(f"{len(part):,} for {name}" for name, part in parts.items() if len(part))
    labels = list(examples.task.labels)
    more = "" if len(labels) <= _SHOWN_LABELS else f" … {labels[-1]}"
    task = (
        f"{len(labels)} classes: {', '.join(labels[:_SHOWN_LABELS])}{more}"
        if labels
        else f"a number, {examples.target}"
    )
    lines = [
        f"{prepared.network.name} learns {examples.target}",
        _line("rows", rows),
        _line("task", task),
        _line("engine", f"{prepared.engine.name}, {prepared.dtype}"),
        _line("training", f"{settings.epochs} epochs in batches of {settings.batch}, {settings.optimizer} at the learning rate {settings.learning_rate:g}, loss {prepared.loss}"),
    ]  # fmt: skip
    if costs.predicted_step is not None:
        run = costs.predicted["seconds"]["run"]
        lines.append(
            _line("predicted", f"{seconds_text(costs.predicted_step)} a step, {seconds_text(run)} in all ({costs.predicted_by})")
        )  # fmt: skip
    lines += [_line("note", note) for note in (*examples.notes, *costs.notes)]
    return "\n".join(lines)


def _line(name: str, text: str) -> str:
    return f"  {name:<{_MARGIN - 2}} {text}"


def epoch_line(progress: Progress, epoch: Epoch) -> str:
    """One finished epoch on one line."""
    width = len(str(progress.epochs))
    parts = [f"epoch {epoch.number:>{width}}/{progress.epochs}", f"loss {epoch.loss:.4f}"]
    if epoch.validation_loss is not None:
        parts.append(f"validation loss {epoch.validation_loss:.4f}")
    if epoch.accuracy is not None:
        parts.append(f"accuracy {_percent(epoch.accuracy)}")
    if progress.step < progress.steps:
        parts.append(f"{seconds_text(progress.seconds_left)} left")
    return "  ".join(parts)


def _percent(share: float) -> str:
    return f"{_PERCENT * share:.1f} %"


def summary(training: Training) -> str:
    """How good the network is, what it cost and where it is."""
    lines = [*_result(training), "", *_comparison(training)]
    if training.files:
        lines += ["", *(f"wrote {path}" for path in training.files)]
    return "\n".join([*lines, *(f"note: {note}" for note in training.notes)])


def _result(training: Training) -> list[str]:
    epochs = f"{len(training.history)} epoch{'' if len(training.history) == 1 else 's'}, {training.steps:,} steps"
    if training.interrupted:
        return [f"interrupted after {epochs}"]
    lines = [f"stopped early after {epochs}" if training.stopped_early else f"trained {epochs}"]
    if training.best_epoch is not None:
        lines.append(f"the parameters are those of epoch {training.best_epoch}, which had the lowest validation loss")
    test = training.test
    if test is None:
        return [*lines, "no rows were kept for a test"]
    rows = f"({training.rows['test']:,} rows)"
    if test.accuracy is not None:
        return [*lines, f"test accuracy {_percent(test.accuracy)} {rows}"]
    determined = "" if test.r2 is None else f", R² {test.r2:.3f}"
    return [*lines, f"test error {test.rmse:.4g} (root mean square, in the target's unit){determined} {rows}"]


def _comparison(training: Training) -> list[str]:
    found = ratios(training.predicted, training.measured)
    table: list[Sequence[str]] = [("", "predicted", "measured", "ratio")]
    for title, kind, name, text in _LINES:
        predicted, measured = training.predicted.get(kind, {}).get(name), training.measured.get(kind, {}).get(name)
        if predicted is None and measured is None:
            continue
        ratio = found.get(kind, {}).get(name)
        table.append((
            title, "—" if predicted is None else text(predicted), "—" if measured is None else text(measured),
            "—" if ratio is None else f"{ratio:.2f}",
        ))  # fmt: skip
    return [f"{row[0]:<24}" + "".join(f"{cell:>{_COLUMN}}" for cell in row[1:]) for row in table]
