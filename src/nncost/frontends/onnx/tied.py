"""Output layers that are the transposed table of an embedding: exporters store them twice, networks have them once."""

from __future__ import annotations

import numpy as np

from nncost.dims import is_symbolic, product
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.values import FileConstant, Stored, Value
from nncost.ir import ops
from nncost.names import printable

SAMPLES = 32
"""Elements that are compared; learned numbers that agree in so many of them are the same numbers."""


def tied(call: Call, value: Value) -> Value:
    """A weight matrix as the transposed table of an embedding, if it holds the same numbers."""
    if not isinstance(value, Stored) or value.constant.elsewhere or len(value.constant.shape) != 2:
        return value
    for table in call.walk.tensors.looked_up:
        if table.shape == value.constant.shape[::-1] and table.dtype == value.dtype and _agree(table, value.constant):
            call.note(
                f"{printable(value.constant.name)!r} is the transposed table {printable(table.name)!r}: "
                "they are one parameter."
            )
            return Stored(table, value.shape, (ops.Transpose((1, 0)), *value.moves))
    return value


def _agree(table: FileConstant, matrix: FileConstant) -> bool:
    """Whether samples of two matrices, one of them transposed, are the same numbers, and not all alike."""
    if table.some is None or matrix.some is None or table.elsewhere or any(map(is_symbolic, table.shape)):
        return False
    rows, columns = (int(dim) for dim in table.shape)
    if int(product(table.shape)) < SAMPLES:
        return False
    places = np.random.default_rng(0).integers(0, rows * columns, SAMPLES)
    across = places % columns * rows + places // columns
    left, right = table.some(places), matrix.some(across)
    return bool(np.array_equal(left, right) and len(np.unique(left)) > 1)
