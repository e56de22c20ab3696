"""The numbers of a tensor, from the model's file itself or from one beside it that lies in the same folder."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from nncost.errors import SourceError
from nncost.frontends.onnx.light_copy import OWN_FILE
from nncost.frontends.onnx.values import Array
from nncost.ir.dtypes import BITS_PER_BYTE, DTYPES

_EXTERNAL = 1
"""TensorProto.EXTERNAL."""
_INT64, _INT64_BYTES = 7, 8
"""TensorProto.INT64 and the bytes of one."""
_BITS = {name: dtype.bits for dtype in DTYPES for name in dtype.onnx}
"""Of one element, by ONNX's name for its type."""


def has_values_elsewhere(proto: Any) -> bool:
    """Whether a tensor's values lie in another file than the model's own."""
    return _is_external(proto) and _entries(proto).get("location") != OWN_FILE


def _is_external(proto: Any) -> bool:
    return bool(proto.data_location == _EXTERNAL)


def _entries(proto: Any) -> dict[str, str]:
    return {entry.key: entry.value for entry in proto.external_data}


def read_some(proto: Any, name: str, file: str, places: Array) -> Array:
    """The elements at flat positions, without reading the others where the file lets us."""
    from onnx import helper

    if not _is_external(proto):
        return read_values(proto, name, file).reshape(-1)[places]
    dtype = helper.tensor_dtype_to_np_dtype(proto.data_type)
    start = int(_entries(proto).get("offset") or 0)
    with _path(proto, file).open("rb") as opened:
        found = bytearray()
        for place in places:
            opened.seek(start + int(place) * dtype.itemsize)
            found += opened.read(dtype.itemsize)
    return np.frombuffer(bytes(found), dtype=dtype)


def _path(proto: Any, file: str) -> Path:
    """The file that holds a tensor's values. Raise ValueError for one outside the model's folder."""
    location = _entries(proto).get("location", "")
    return Path(file) if location == OWN_FILE else _inside(Path(file).parent, location)


def read_values(proto: Any, name: str, file: str) -> Array:
    """The numbers themselves. Raise SourceError if they cannot be read or do not fit the shape."""
    if _is_external(proto):
        held = type(proto)(dims=proto.dims, data_type=proto.data_type)
        held.raw_data = _external_bytes(proto, name, file)
        proto = held
    elif proto.data_type == _INT64 and len(proto.raw_data) == _INT64_BYTES * math.prod(proto.dims):
        # Shapes come by the hundred; this is what the general way below does for them.
        return np.frombuffer(proto.raw_data, dtype="<i8").reshape(tuple(proto.dims))
    from onnx import numpy_helper

    try:
        return numpy_helper.to_array(proto)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise SourceError(f"the values of the tensor {name!r} do not fit its shape and type: {error}.") from None


def _external_bytes(proto: Any, name: str, file: str) -> bytes:
    """The bytes of a tensor in another file, so many as its shape and type need.

    Raise SourceError for a file that is missing, too short or elsewhere.
    """
    entries, needed = _entries(proto), _needed_bytes(proto, name)
    try:
        offset, length = int(entries.get("offset") or 0), entries.get("length")
        path = _path(proto, file)
        size = path.stat().st_size
        count = needed if length is None else int(length)
        _check_range(offset, count, size)
        if count != needed:
            raise SourceError(
                f"the values of the tensor {name!r} do not fit its shape and type: {needed} bytes are needed, "
                f"{count} are there."
            )
        with path.open("rb") as opened:
            opened.seek(offset)
            return opened.read(count)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(
            f"the values of {name!r} lie in the file {entries.get('location', '')[:100]!r} beside the model, "
            f"which cannot be read: {reason}."
        ) from None


def _needed_bytes(proto: Any, name: str) -> int:
    """The bytes that a tensor's shape and type imply."""
    from onnx import TensorProto

    code = proto.data_type
    bits = _BITS.get(TensorProto.DataType.Name(code)) if code in TensorProto.DataType.values() else None
    if bits is None or any(dim < 0 for dim in proto.dims):
        raise SourceError(f"the values of the tensor {name!r} do not fit its shape and type.")
    elements: int = math.prod(proto.dims)
    return -(-elements * bits // BITS_PER_BYTE)


def _check_range(offset: int, count: int, size: int) -> None:
    if offset < 0 or count < 0 or offset + count > size:
        raise ValueError(f"it has {size} bytes, of which {count} from {offset} on are asked for")


def _inside(folder: Path, location: str) -> Path:
    """The path of a file below the model's folder. Raise ValueError for any other, links included."""
    base = folder.resolve()
    path = (base / location).resolve()
    if not location or not path.is_relative_to(base) or path == base:
        raise ValueError("it does not lie in the model's folder")
    if not path.is_file():
        raise ValueError("there is no such file")
    return path
