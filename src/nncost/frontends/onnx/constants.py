"""The constants of a file, left where they are: only small ones are followed by value."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from nncost.errors import SourceError
from nncost.frontends.onnx.values import MAX_KNOWN, Absent, Array, FileConstant, Known, Stored, Value, plain
from nncost.ir.dtypes import DTYPES

_TYPES = {name: dtype.name for dtype in DTYPES for name in dtype.onnx}
FLOATS = {name: dtype for name, dtype in _TYPES.items() if "float" in dtype}
INTEGERS = {name: dtype for name, dtype in _TYPES.items() if "float" not in dtype}


@lru_cache(maxsize=64)
def type_name(code: int) -> str:
    """The name ONNX has for an element type: ``FLOAT``, ``INT64`` … Raise SourceError for a code it does not have."""
    from onnx import TensorProto

    try:
        return str(TensorProto.DataType.Name(code))
    except ValueError:
        raise SourceError(f"{code} is not an ONNX element type.") from None


def dtype_named(name: str, float_dtype: str) -> str | None:
    """The dtype of an element type, all floats alike; None for text and complex numbers."""
    return float_dtype if name in FLOATS else INTEGERS.get(name)


def tensor_value(proto: Any, name: str, float_dtype: str, folder: str = "") -> Value:
    """What a TensorProto stands for; values in another file, which lies in ``folder``, are read when asked for.

    Floats with axes are learned until something else turns up; scalars and small integers are known.
    """
    shape = tuple(proto.dims)
    if any(dim < 0 for dim in shape):
        raise SourceError(f"the tensor {name!r} has a negative size: {list(shape)}.")
    type_ = type_name(proto.data_type)
    dtype = dtype_named(type_, float_dtype)
    if dtype is None:
        return Absent(f"{name!r} holds {type_.lower()} values")
    learned = type_ in FLOATS and bool(shape)
    external = proto.data_location == 1
    if learned or external or math.prod(shape) > MAX_KNOWN:
        return Stored(FileConstant(name, shape, dtype, learned, lambda: _values(proto, name, folder)), shape)
    return known_array(_values(proto, name, folder), dtype)


def known_array(values: Array, dtype: str, *, static: bool = True) -> Known:
    """A small array by value: integers as Python integers, which do not overflow."""
    if dtype == "bool":
        return Known(values.astype(bool), dtype, static)
    if "float" in dtype:
        return Known(values.astype(np.float64), dtype, static)
    return Known(_as_integers(values), dtype, static)


def _as_integers(values: Array) -> Array:
    match values.dtype.kind:
        case "i" | "u":
            return values.astype(object)
        case "O":
            return plain(values)
        case "f":
            return np.asarray(np.frompyfunc(int, 1, 1)(values), dtype=object)
        case _:  # Booleans, and four-bit integers, which are a type of their own
            return values.astype(np.int64).astype(object)


def _values(proto: Any, name: str, folder: str) -> Array:
    """The numbers themselves. Raise SourceError if they cannot be read or do not fit the shape."""
    external = proto.data_location == 1
    if not external and proto.data_type == _INT64 and len(proto.raw_data) == _INT64_BYTES * math.prod(proto.dims):
        # Shapes come by the hundred; this is what the general way below does for them.
        return np.frombuffer(proto.raw_data, dtype="<i8").reshape(tuple(proto.dims))
    from onnx import external_data_helper, numpy_helper

    if external:
        held = type(proto)()
        held.CopyFrom(proto)
        try:
            external_data_helper.load_external_data_for_tensor(held, folder)
        except Exception as error:  # noqa: BLE001 - the file may be missing, cut short or elsewhere: many types
            raise SourceError(f"the values of {name!r} lie in another file, which cannot be read: {error}.") from None
        proto = held
    try:
        return numpy_helper.to_array(proto)
    except (ValueError, TypeError, KeyError) as error:
        raise SourceError(f"the values of the tensor {name!r} do not fit its shape and type: {error}.") from None


_INT64, _INT64_BYTES = 7, 8
"""TensorProto.INT64 and the bytes of one."""
