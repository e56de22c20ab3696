"""Sparse constants: the numbers that are stored, and where they stand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nncost.errors import SourceError
from nncost.frontends.onnx.constants import Types, checked_shape, typed
from nncost.frontends.onnx.stored_values import has_values_elsewhere, read_values
from nncost.frontends.onnx.values import MAX_KNOWN, Absent, Array, FileConstant, Stored, Value

MAX_ELEMENTS = 2**28
"""Elements of the largest sparse constant that is written out to be run."""


def sparse_value(proto: Any, types: Types, file: str) -> Value:
    """What a SparseTensorProto stands for: a constant that is written out when it is read."""
    name = proto.values.name
    shape = checked_shape(proto.dims, name)
    dtype = types.coded(proto.values.data_type)
    if dtype is None or any(dim < 0 for dim in shape):
        return Absent(f"{name!r} is a sparse constant of text, or of negative size")

    stored = checked_shape(proto.values.dims, name)
    where_shape = checked_shape(proto.indices.dims, name)
    if where_shape not in ((math.prod(stored),), (math.prod(stored), len(shape))):
        raise SourceError(
            f"the sparse constant {name!r} has indices of shape {list(where_shape)} for {math.prod(stored)} numbers "
            f"of {len(shape)} axes."
        )
    if math.prod(where_shape) <= MAX_KNOWN and not has_values_elsewhere(proto.indices):
        _places(proto, name, file)

    def read() -> Array:
        if math.prod(shape) > MAX_ELEMENTS:
            raise SourceError(f"the sparse constant {name!r} is too large to be written out: {list(shape)}.")
        values, where = read_values(proto.values, name, file), _places(proto, name, file)
        dense = np.zeros(math.prod(shape), dtype=values.dtype)
        dense[where if where.ndim == 1 else np.ravel_multi_index(tuple(where.T), shape)] = values.reshape(-1)
        return typed(dense.reshape(shape), dtype)

    return Stored(FileConstant(name, shape, dtype, read), shape)


def _places(proto: Any, name: str, file: str) -> Array:
    """Where the stored numbers stand. Raise SourceError unless all of these places are in the shape, and different."""
    shape, where = tuple(proto.dims), read_values(proto.indices, f"{name}.indices", file)
    if where.dtype != np.int64:
        raise SourceError(f"the sparse constant {name!r} has indices of the type {where.dtype}, not int64.")
    table = where[:, None] if where.ndim == 1 else where
    sizes = np.asarray([min(size, 2**63 - 1) for size in (shape if where.ndim > 1 else (math.prod(shape),))])
    for index in table[((table < 0) | (table >= sizes)).any(axis=1)][:1]:
        raise SourceError(f"the sparse constant {name!r} has no place {index.tolist()}: its shape is {list(shape)}.")
    if len(np.unique(table, axis=0)) < len(table):
        raise SourceError(f"the sparse constant {name!r} has two numbers at one place.")
    return where
