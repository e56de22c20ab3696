"""Counts of n-grams: sequences of n numbers, some of them left out between, that stand in a pool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nncost.dims import Dim, ceil_log2
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.records import record

Array = Any


@record
class Grams:
    """The columns of known n-grams, and which ones are looked for: of ``least`` to ``most`` numbers, up to ``skips`` left out."""

    columns: Mapping[tuple[int, ...], int]
    width: int
    least: int
    most: int
    skips: int

    def forms(self) -> Iterator[tuple[int, int]]:
        """The length and the distance of neighbours of each form; single numbers have no neighbours."""
        for distance in range(1, self.skips + 2):
            for length in range(self.least, self.most + 1):
                if length > 1 or distance == 1:
                    yield length, distance

    def windows(self, size: int) -> int:
        """How many n-grams of all forms a row of that size has."""
        return sum(max(0, size - (length - 1) * distance) for length, distance in self.forms())


def gram_counts(b: Builder, x: Tensor, grams: Grams, dtype: str) -> Tensor:
    """``x`` (B, L) of whole numbers: how often each n-gram stands in each row (B, width).

    Each n-gram of a row is looked up among n known ones, ⌈log₂ n⌉ whole-number comparisons, and counted, 1 more: estimated.
    """
    rows: Dim = x.shape[0]
    each = grams.windows(int(x.shape[1])) * (ceil_log2(len(grams.columns)) + 1)
    output = (((rows, grams.width), dtype),)
    run = _runner(grams, dtype)
    return b.emit(ops.Algorithm("count_grams", output, {"int_ops": rows * each}, ops.ESTIMATED, run), x)


def _runner(grams: Grams, dtype: str) -> Any:
    def run(array: Array) -> Array:
        found = np.zeros((len(array), grams.width), dtype=dtype)
        for number, row in enumerate(array.tolist()):
            for length, distance in grams.forms():
                for start in range(len(row) - (length - 1) * distance):
                    gram: Sequence[int] = row[start : start + (length - 1) * distance + 1 : distance]
                    column = grams.columns.get(tuple(gram))
                    if column is not None:
                        found[number, column] += 1
        return found

    return run
