"""Sparse constants: the numbers that are stored, and where they stand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nncost.errors import SourceError
from nncost.frontends.onnx.constants import Types, checked_shape, typed
from nncost.frontends.onnx.stored_values import read_values
from nncost.frontends.onnx.values import Absent, Array, FileConstant, Stored, Value

MAX_ELEMENTS = 2**28
"""Elements of the largest sparse constant that is written out to be run."""


def sparse_value(proto: Any, types: Types, file: str) -> Value:
    """What a SparseTensorProto stands for: a constant that is written out when it is read."""
    name = proto.values.name
    shape = checked_shape(proto.dims, name)
    dtype = types.coded(proto.values.data_type)
    if dtype is None or any(dim < 0 for dim in shape):
        return Absent(f"{name!r} is a sparse constant of text, or of negative size")

    def read() -> Array:
        values, where = read_values(proto.values, name, file), read_values(proto.indices, f"{name}.indices", file)
        if math.prod(shape) > MAX_ELEMENTS:
            raise SourceError(f"the sparse constant {name!r} is too large to be written out: {list(shape)}.")
        dense = np.zeros(math.prod(shape), dtype=values.dtype)
        flat = where if where.ndim == 1 else np.ravel_multi_index(tuple(where.T), shape)
        try:
            dense[flat] = values
        except (IndexError, ValueError) as error:
            raise SourceError(f"the sparse constant {name!r} does not fit its shape: {error}.") from None
        return typed(dense.reshape(shape), dtype)

    return Stored(FileConstant(name, shape, dtype, read), shape)
