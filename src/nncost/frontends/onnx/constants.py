"""The constants of a file, left where they are: only small ones are followed by value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from nncost.errors import SourceError
from nncost.frontends.onnx.stored_values import has_values_elsewhere, read_some, read_values
from nncost.frontends.onnx.values import MAX_KNOWN, Absent, Array, FileConstant, Known, Stored, Value, plain
from nncost.ir.dtypes import DTYPES
from nncost.ir.numpy_types import numpy_dtype
from nncost.names import printable

_TYPES = {name: dtype.name for dtype in DTYPES for name in dtype.onnx}
_FLOATS = frozenset({"float32", "float64", "float16", "bfloat16"})
"""Types that ``--dtype`` replaces by another."""


@lru_cache(maxsize=64)
def type_name(code: int) -> str:
    """The name ONNX has for an element type: ``FLOAT``, ``INT64`` … Raise SourceError for a code it does not have."""
    from onnx import TensorProto

    try:
        return str(TensorProto.DataType.Name(code))
    except ValueError:
        raise SourceError(f"{code} is not an ONNX element type.") from None


MAX_AXES = 64
"""Axes of a tensor; NumPy has no more."""
SIZES = frozenset({"int64", "int32", "bool"})
"""Types that shapes, axes and conditions have: arrays of others may be learned."""


class Types:
    """The types of a file's numbers: its own, or one for all floats if the caller chose it."""

    def __init__(self, floats: str | None = None) -> None:
        self.floats = floats

    def named(self, name: str) -> str | None:
        """The dtype of an element type; None for text."""
        dtype = _TYPES.get(name)
        return self.floats if self.floats and dtype in _FLOATS else dtype

    def coded(self, code: int) -> str | None:
        """The dtype of an element type's code; None for text. Raise SourceError for a code that does not exist."""
        return self.named(type_name(code))


def tensor_value(proto: Any, name: str, types: Types, file: str) -> Value:
    """What a TensorProto stands for; values in another file, beside the model's ``file``, are read when asked for.

    Floats with axes stay in the file until something asks for them; scalars and small integers are known.
    """
    shape = checked_shape(proto.dims, name)
    if any(dim < 0 for dim in shape):
        raise SourceError(f"the tensor {name!r} has a negative size: {list(shape)}.")
    dtype = types.coded(proto.data_type)
    if dtype is None:
        return Absent(f"{name!r} holds text")

    def read() -> Array:
        return typed(read_values(proto, name, file), dtype)

    constant = FileConstant(
        name, shape, dtype, read, has_values_elsewhere(proto), lambda places: read_some(proto, name, file, places)
    )
    if math.prod(shape) > MAX_KNOWN or (dtype not in SIZES and (shape or constant.elsewhere)):
        return Stored(constant, shape)
    return Known(read(), dtype, constant=constant if shape else None)


def checked_shape(dims: Sequence[int], name: str) -> tuple[int, ...]:
    """A tensor's sizes. Raise SourceError if there are more than a tensor can have."""
    if len(dims) > MAX_AXES:
        raise SourceError(f"{printable(name)!r} has {len(dims):,} axes, more than {MAX_AXES}.")
    return tuple(dims)


def typed(values: Array, dtype: str) -> Array:
    """Values as an array of the type."""
    return np.asarray(values).astype(numpy_dtype(dtype), copy=False)


def known_array(values: Array, dtype: str, *, static: bool = True) -> Known:
    """A small array by value."""
    return Known(plain(values) if values.dtype == object else typed(values, dtype), dtype, static)
