"""The task, classification or regression, recognised from the target and the network's outputs."""

from __future__ import annotations

import numpy as np

from nncost.errors import ShapeError, SourceError
from nncost.names import meant
from nncost.pipeline.choices import check_choice
from nncost.records import record
from nncost.trainer.tables import Column
from nncost.trainer.tables.table import SHOWN_TEXT, Array, names_of, shortened
from nncost.units import counted

CLASSIFICATION, REGRESSION = "classification", "regression"
TASKS = (CLASSIFICATION, REGRESSION)
MAX_CLASSES = 1_000
"""More distinct whole numbers than this mean a regression unless the task is named."""


@record
class Task:
    """``labels`` are the classes in order; ``targets`` are class numbers (int64) or numbers to be learned (float64)."""

    kind: str
    targets: Array
    labels: tuple[str, ...] = ()


def task_of(column: Column, units: int, asked: str | None) -> Task:
    """The task. Raise SourceError for a target without anything to learn, ShapeError if the network does not fit."""
    asked = asked if asked is None else meant(asked, TASKS) or asked
    check_choice("task", asked, TASKS)
    kind = asked or _recognised(column, units)
    return _classes(column, units) if kind == CLASSIFICATION else _amounts(column, units, named=asked is not None)


def _recognised(column: Column, units: int) -> str:
    """Text and truth values are classes; so are whole numbers if there are two or the network has several outputs."""
    if column.numbers is None or column.is_boolean:
        return CLASSIFICATION
    if not (column.numbers == np.floor(column.numbers)).all():
        return REGRESSION
    distinct = len(np.unique(column.numbers))
    few = distinct <= min(MAX_CLASSES, max(2, len(column.numbers) // 2))
    return CLASSIFICATION if few and (units > 1 or distinct == 2) else REGRESSION


def _classes(column: Column, units: int) -> Task:
    if column.numbers is None:
        labels, targets = np.unique([text.strip() for text in column.texts or ()], return_inverse=True)
        names = tuple(str(label) for label in labels)
    else:
        labels, targets = np.unique(column.numbers, return_inverse=True)
        names = tuple(_written(number, is_boolean=column.is_boolean) for number in labels.tolist())
    if len(names) < 2:
        raise SourceError(
            f"the target {column.name!r} has one class in all rows: {shortened(names[0])!r}. There is nothing to learn."
        )
    _check_outputs(column.name, names, units)
    return Task(CLASSIFICATION, targets.astype(np.int64), names)


def _check_outputs(name: str, labels: tuple[str, ...], units: int) -> None:
    classes = len(labels)
    if units == classes or (units == 1 and classes == 2):
        return
    wanted = "2 outputs, or 1 with a sigmoid" if classes == 2 else f"{classes:,} outputs, one for each class"
    hint = f"The last layer needs {wanted}: such as …-{classes}."
    if units == 1:
        hint += " To learn the number itself: --task regression."
    raise ShapeError(
        f"the target {name!r} has {counted(classes, 'class')} ({names_of(list(labels))}), "
        f"the network has {counted(units, 'output')}.",
        hint=hint,
    )


def _written(number: float, *, is_boolean: bool) -> str:
    if is_boolean:
        return "true" if number else "false"
    return str(int(number)) if number == int(number) and abs(number) < 2**63 else repr(number)


def _amounts(column: Column, units: int, *, named: bool) -> Task:
    if column.numbers is None:
        assert column.odd is not None
        text = shortened(column.odd.text)[:SHOWN_TEXT]
        raise SourceError(
            f"the target {column.name!r} is not a number in {column.odd.place}: {text!r}.",
            hint="Regression needs numbers; text is learned as classes: --task classification.",
        )
    if units != 1:
        distinct = len(np.unique(column.numbers))
        raise ShapeError(
            f"the target {column.name!r} is a number ({counted(distinct, 'different value')}), the network has {units:,} outputs.",
            hint="A number needs a last layer of width 1, such as …-1."
            + ("" if named else " To learn the values as classes: --task classification."),
        )
    if column.numbers.min() == column.numbers.max():
        raise SourceError(
            f"the target {column.name!r} is {column.numbers[0]:g} in all rows. There is nothing to learn."
        )
    return Task(REGRESSION, column.numbers.astype(np.float64))
