"""Output layers that are the table of an embedding: exporters and quantizers store them twice, networks have them once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nncost.dims import is_symbolic, product
from nncost.frontends.onnx.values import Array, FileConstant, Stored, Value
from nncost.ir import ops
from nncost.ir.dtypes import INTEGER_DTYPES
from nncost.names import printable

if TYPE_CHECKING:
    from nncost.frontends.onnx.call import Call

SAMPLES, MAX_COMPARED = 32, 2**22
"""Elements that are compared first, and those of the largest matrices whose elements are all compared."""
MANY_SAMPLES = 4096
"""Elements that are compared of larger ones, which a note says: their numbers stay in the file."""
STRETCHES, LENGTH, CORRELATION = 32, 16, 0.9
"""Stretches of quantized tables that are compared, their elements, which share a scale, and how far these go together at
least, whatever its sign: those of unrelated tables stay below a third of it."""


def tied(call: Call, value: Value) -> Value:
    """A weight matrix as the table of an embedding, or that transposed, if it holds the same numbers."""
    if not isinstance(value, Stored) or value.constant.elsewhere or len(value.constant.shape) != 2:
        return value
    for table in call.walk.tensors.looked_up:
        if table is value.constant or table.dtype != value.dtype:
            continue
        for across in (True, False):
            if _agree(table, value.constant, across=across):
                call.note(
                    f"{printable(value.constant.name)!r} is the {'transposed ' if across else ''}table "
                    f"{printable(table.name)!r}{_certainty(table)}: they are one parameter."
                )
                moves = (ops.Transpose((1, 0)), *value.moves) if across else value.moves
                return Stored(table, value.shape, moves)
    return value


def _certainty(table: FileConstant) -> str:
    is_large = int(product(table.shape)) > MAX_COMPARED
    return f", as {MANY_SAMPLES:,} of their numbers say" if is_large else ""


def rounded_copy(tables: Sequence[FileConstant], constant: FileConstant) -> FileConstant | None:
    """Return the table of an embedding that quantized weights are a copy of, as it is or transposed; None for others."""
    if constant.some is None or constant.elsewhere or len(constant.shape) != 2 or constant.dtype not in INTEGER_DTYPES:
        return None
    if any(is_symbolic(dim) or dim < LENGTH for dim in constant.shape):
        return None
    others = (table for table in tables if table.name != constant.name)
    return next((table for table in others if any(_go_together(table, constant, axis) for axis in (0, 1))), None)


def _go_together(table: FileConstant, matrix: FileConstant, axis: int) -> bool:
    """Whether stretches along an axis of two matrices, one of them perhaps transposed, differ by a scale and rounding only."""
    some, matrix_some = table.some, matrix.some
    if some is None or matrix_some is None or table.elsewhere or table.shape not in (matrix.shape, matrix.shape[::-1]):
        return False
    rows, columns = (int(dim) for dim in matrix.shape)
    drawn, along = np.random.default_rng(0), np.arange(LENGTH)
    start = [drawn.integers(0, size // LENGTH, STRETCHES)[:, None] * LENGTH for size in (rows, columns)]
    row, column = (start[0] + along, start[1]) if axis == 0 else (start[0], start[1] + along)
    places = row * columns + column
    ways = [places] * (table.shape == matrix.shape) + [column * rows + row] * (table.shape == matrix.shape[::-1])
    ours = matrix_some(places.reshape(-1)).reshape(places.shape)
    return any(_correlation(some(there.reshape(-1)).reshape(there.shape), ours) >= CORRELATION for there in ways)


def _correlation(left: Array, right: Array) -> float:
    """How far the rows of two tables go together on average, whatever the sign of their scales."""
    left, right = (values.astype(np.float64) for values in (left, right))
    left, right = (values - values.mean(axis=1, keepdims=True) for values in (left, right))
    norms = np.sqrt((left**2).sum(axis=1) * (right**2).sum(axis=1))
    together = np.abs((left * right).sum(axis=1))
    with np.errstate(all="ignore"):
        return float(np.nan_to_num(np.mean(together / norms), nan=0.0))


def _agree(table: FileConstant, matrix: FileConstant, *, across: bool) -> bool:
    """Whether two matrices, one of them perhaps transposed, are the same numbers, and not all alike."""
    if table.some is None or matrix.some is None or table.elsewhere or any(map(is_symbolic, table.shape)):
        return False
    if matrix.shape != (table.shape[::-1] if across else table.shape) or int(product(table.shape)) < SAMPLES:
        return False
    rows, columns = (int(dim) for dim in table.shape)
    for count in (SAMPLES, MANY_SAMPLES):
        places = np.random.default_rng(0).integers(0, rows * columns, count)
        there = places % columns * rows + places // columns if across else places
        left, right = table.some(places), matrix.some(there)
        if not np.array_equal(left, right) or len(np.unique(left)) == 1:
            return False
    if rows * columns > MAX_COMPARED:
        return True
    other = matrix.read()
    return bool(np.array_equal(table.read(), other.T if across else other))
