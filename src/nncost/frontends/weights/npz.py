"""Headers of the arrays in ``.npz`` and ``.npy`` files. Arrays of objects are pickles and are refused."""

from __future__ import annotations

import warnings
from io import BytesIO
from math import prod
from tokenize import TokenError
from typing import TYPE_CHECKING, BinaryIO
from zipfile import ZipFile, ZipInfo

from nncost.errors import SourceError
from nncost.frontends.weights.archive import archive, beginning
from nncost.frontends.weights.contents import Contents, Entry
from nncost.frontends.weights.files import ZIP, damaged, opened

if TYPE_CHECKING:
    import numpy as np

_MAX_HEADER = 10_000
"""NumPy's own limit for files that are not trusted (``numpy.lib.format``)."""
_MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {(1, 0): 2, (2, 0): 4}
_NAMELESS = {1: "float8", 2: "bfloat16"}
"""Types that NumPy has only from a package (``ml_dtypes``): their files keep the bytes of an element, and no name."""
_UNKNOWN_TO_NUMPY, _SAME_SIZE = b"'<f1'", b"'|V1'"
_MAX_SIZE = 2**63


def read(path: str) -> Contents:
    """Return the arrays of one file in its order. Raise SourceError."""
    with opened(path, ZIP) as (file, size):
        try:
            with archive(file, size) as content:
                return _contents([_member(path, content, member) for member in content.infolist()])
        except ValueError as error:
            raise damaged(path, ".npz", error) from None


def only_array(path: str, name: str, file: BinaryIO, size: int) -> Contents:
    """Return the array of a ``.npy`` file. Raise ValueError for a header that does not fit, SourceError for objects."""
    return _contents([_entry(path, name, file.read(_MAX_HEADER), size)])


def _contents(entries: list[Entry]) -> Contents:
    """The arrays, with a note where a type is known by its size only."""
    if not any(entry.dtype == _NAMELESS[1] for entry in entries):
        return Contents(tuple(entries))
    return Contents(
        tuple(entries),
        ("NumPy does not store what its elements of one byte without a name are: float8, or int4 of a byte each.",),
    )


def _member(path: str, content: ZipFile, member: ZipInfo) -> Entry:
    name = member.filename.removesuffix(".npy")
    if name == member.filename:
        raise ValueError(f"its member {name[:200]!r} is no array (.npy)")
    return _entry(path, name, beginning(content, member, _MAX_HEADER), member.file_size)


def _entry(path: str, name: str, start: bytes, size: int) -> Entry:
    """The array that begins like this and has so many bytes, its header included."""
    shape, dtype, header_bytes = _header(start)
    if dtype.hasobject:
        raise SourceError(
            f"the array {name!r} in {path!r} holds Python objects, which only running a pickle could read.",
            hint="Nothing was run. Save arrays of numbers instead.",
        )
    if any(not 0 <= dim < _MAX_SIZE for dim in shape):
        raise ValueError(f"the array {name!r} has the shape {shape}"[:300])
    stored = prod(shape) * dtype.itemsize
    if header_bytes + stored != size:
        raise ValueError(f"the array {name!r} claims {stored:,} bytes, {size - header_bytes:,} are stored")
    is_nameless = dtype.kind == "V" and dtype.names is None and dtype.subdtype is None
    kind = _NAMELESS.get(dtype.itemsize, dtype.name) if is_nameless else dtype.name
    return Entry(name.replace("/", "."), shape, kind, stored)


def _header(start: bytes) -> tuple[tuple[int, ...], np.dtype, int]:
    """Shape, type and the number of bytes before the numbers."""
    from numpy.lib import format as numpy_format

    version = (start[6], start[7]) if start.startswith(_MAGIC) and len(start) > len(_MAGIC) + 1 else (0, 0)
    if version not in _LENGTH_BYTES:
        raise ValueError("it holds no array of NumPy's format 1.0 or 2.0")
    first = len(_MAGIC) + 2
    behind_length = first + _LENGTH_BYTES[version]
    end = behind_length + int.from_bytes(start[first:behind_length], "little")
    if end > len(start):
        raise ValueError(f"the header of an array claims {end:,} bytes")
    reader = numpy_format.read_array_header_1_0 if version == (1, 0) else numpy_format.read_array_header_2_0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, _, dtype = reader(BytesIO(start[first:end].replace(_UNKNOWN_TO_NUMPY, _SAME_SIZE)))
    except (TypeError, SyntaxError, MemoryError, RecursionError, TokenError) as error:
        raise ValueError(f"the header of an array cannot be read: {error}") from None
    return shape, dtype, end
