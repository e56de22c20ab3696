"""The split of rows into training, validation and test."""

from __future__ import annotations

import numpy as np

from nncost.errors import OptionError, SourceError
from nncost.records import record
from nncost.trainer.tables.table import Array
from nncost.units import counted, noun


@record
class Split:
    """Row numbers, each row in exactly one part."""

    train: Array
    validation: Array
    test: Array


def split_rows(classes: Array | None, rows: int, *, test: float, validation: float, seed: int) -> Split:
    """Split rows in random order, each class in the same shares; at least one row of each class is for training.

    Equal seeds give equal parts. Raise OptionError for shares that leave nothing to learn from.
    """
    for name, share in (("test_share", test), ("validation_share", validation)):
        if not 0 <= share < 1:
            raise OptionError(f"{name} is a share from 0 to below 1, received {share!r}")
    if test + validation >= 1:
        raise OptionError(f"test_share {test:g} and validation_share {validation:g} leave no rows to learn from.")
    rng = np.random.default_rng([seed, rows])
    groups = [np.arange(rows)] if classes is None else [np.flatnonzero(classes == c) for c in range(classes.max() + 1)]
    parts: tuple[list[Array], list[Array], list[Array]] = ([], [], [])
    for group in groups:
        shuffled = rng.permutation(group)
        tested = min(round(test * len(group)), len(group) - 1)
        validated = min(round(validation * len(group)), len(group) - 1 - tested)
        cut = [shuffled[tested + validated :], shuffled[tested : tested + validated], shuffled[:tested]]
        for part, piece in zip(parts, cut, strict=True):
            part.append(piece)
    train, held, kept = (np.sort(np.concatenate(part)) for part in parts)
    for name, share, chosen in (("test_share", test, kept), ("validation_share", validation, held)):
        if share > 0 and not len(chosen):
            raise SourceError(
                f"{counted(rows, 'row')} {noun(rows, 'is', 'are')} too few for {name} {share:g}: it holds no row."
            )
    return Split(train, held, kept)
