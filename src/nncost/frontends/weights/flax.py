"""Checkpoints of Flax: maps of names to arrays, as MessagePack. Names, types and shapes are read; numbers are stepped over.

An array is an extension of type 1 with shape, type and bytes; a large one is a map of chunks
(https://github.com/google/flax/blob/main/flax/serialization.py, https://github.com/msgpack/msgpack/blob/master/spec.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from nncost.frontends.weights.contents import Contents, Entry
from nncost.frontends.weights.files import damaged, opened
from nncost.frontends.weights.message_pack import Map, Packed, Skipped, unpacked
from nncost.ir.dtypes import DTYPE_BITS

_ARRAY, _SCALAR = 1, 3
_CHUNKED = "__msgpack_chunked_array__"
_MAX_SIZE = 2**63


def read(path: str) -> Contents:
    """Return the arrays of one file in its order. Raise SourceError."""
    with opened(path) as (file, size):
        try:
            return Contents(tuple(_entries("", unpacked(file, size, (_ARRAY, _SCALAR)))))
        except ValueError as error:
            raise damaged(path, "MessagePack", error) from None


def _entries(name: str, value: object) -> Iterator[Entry]:
    if not name and not isinstance(value, Map):
        raise ValueError("it is no map of names")
    if isinstance(value, Packed) and value.kind in (_ARRAY, _SCALAR):
        yield _array(name, value)
    elif isinstance(value, Map):
        parts = dict(value.items)
        if _CHUNKED in parts:
            yield _chunked(name, parts)
            return
        for key, inner in value.items:
            yield from _entries(f"{name}.{key}" if name else str(key), inner)


def _array(name: str, value: Packed) -> Entry:
    if not isinstance(value.content, Map) or len(value.content.items) != 3:
        raise ValueError(f"the array {name[:200]!r} is not shape, type and numbers")
    shape, dtype, numbers = (inner for _, inner in value.content.items)
    sizes = tuple(inner for _, inner in shape.items) if isinstance(shape, Map) else ()
    return _checked(name, sizes, dtype, numbers.length if isinstance(numbers, Skipped) else -1)


def _checked(name: str, sizes: tuple[object, ...], dtype: object, stored: int) -> Entry:
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        raise ValueError(f"the array {name[:200]!r} has the unknown type {str(dtype)[:40]!r}")
    if not all(isinstance(size, int) and 0 <= size < _MAX_SIZE for size in sizes):
        raise ValueError(f"the array {name[:200]!r} has a size that is none")
    shape = tuple(size for size in sizes if isinstance(size, int))
    claimed = prod(shape) * max(8, DTYPE_BITS[dtype]) // 8
    if claimed != stored:
        raise ValueError(f"the array {name[:200]!r} claims {claimed:,} bytes, {stored:,} are stored")
    return Entry(name, shape, dtype, stored)


def _chunked(name: str, parts: dict[object, object]) -> Entry:
    shape, chunks = parts.get("shape"), parts.get("chunks")
    if not isinstance(shape, Map) or not isinstance(chunks, Map) or not chunks.items:
        raise ValueError(f"the chunks of the array {name[:200]!r} are missing")
    arrays = [_array(name, inner) for _, inner in chunks.items if isinstance(inner, Packed)]
    if len(arrays) != len(chunks.items) or len({array.dtype for array in arrays}) != 1:
        raise ValueError(f"the chunks of the array {name[:200]!r} are no arrays of one type")
    return _checked(
        name, tuple(inner for _, inner in shape.items), arrays[0].dtype, sum(array.bytes for array in arrays)
    )
