"""Headers of ``.gguf`` files: every tensor with its quantized type, and nothing of its data.

The format: magic, version, counts, metadata, tensor descriptions, aligned data
(https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). The package ``gguf`` gives the table of
types. Its reader is not used: it maps and indexes every token of the vocabulary, and never ends on
an array whose length lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, BinaryIO, NamedTuple

from nncost.errors import MissingExtraError
from nncost.frontends.weights.binary import Binary, skip_value
from nncost.frontends.weights.contents import Contents, Entry, dtype_name
from nncost.frontends.weights.files import GGUF, damaged, opened
from nncost.frontends.weights.parts import completed

_VERSIONS = (1, 2, 3)
_MAX_AXES = 4
"""``GGML_MAX_DIMS``."""
_MAX_TENSORS = 200_000
_DEFAULT_ALIGNMENT = 32
_UINT32 = 4
"""The value type of ``general.alignment``."""


class _Described(NamedTuple):
    entry: Entry
    offset: int


def read(path: str) -> Contents:
    """The tensors of a file, or of all its parts where the name says ``-00001-of-00003``.

    Raise SourceError, or MissingExtraError without the package ``gguf``.
    """
    with opened(path, GGUF):
        pass
    types = _types()
    return completed(path, lambda part: Contents(tuple(_read_part(part, types))))


def _types() -> Mapping[int, tuple[str, int, int]]:
    """Name, elements of a block and bytes of a block, per type by its number."""
    try:
        from gguf.constants import GGML_QUANT_SIZES
    except ImportError:
        raise MissingExtraError("reading a .gguf file", "gguf", "weights") from None
    return {int(kind): (dtype_name(kind.name), block, size) for kind, (block, size) in GGML_QUANT_SIZES.items()}


def _read_part(path: str, types: Mapping[int, tuple[str, int, int]]) -> list[Entry]:
    with opened(path, GGUF) as (file, size):
        try:
            return _entries(file, size, types)
        except ValueError as error:
            raise damaged(path, GGUF, error) from None


def _entries(file: BinaryIO, size: int, types: Mapping[int, tuple[str, int, int]]) -> list[Entry]:
    binary = _begin(file, size)
    tensor_count, field_count = binary.length(), binary.length()
    if tensor_count > _MAX_TENSORS:
        raise ValueError(f"its header claims {tensor_count:,} tensors, {_MAX_TENSORS:,} are accepted")
    alignment = _alignment(binary, field_count)
    described = [_described(binary, types) for _ in range(tensor_count)]
    _check_places(described, -(-file.tell() // alignment) * alignment, size)
    return [each.entry for each in described]


def _begin(file: BinaryIO, size: int) -> Binary:
    """Behind magic and version, in the byte order they tell."""
    file.seek(4)
    version = int.from_bytes(file.read(4), "little")
    order = "<"
    if version & 0xFFFF == 0:
        order, version = ">", int.from_bytes(version.to_bytes(4, "little"), "big")
    if version not in _VERSIONS:
        raise ValueError(f"it has version {version}; versions 1, 2 and 3 are accepted")
    return Binary(file, size, order, "I" if version == 1 else "Q")


def _alignment(binary: Binary, fields: int) -> int:
    """Walk over the metadata; the alignment of the data that it may set."""
    alignment, seen = _DEFAULT_ALIGNMENT, set()
    for _ in range(fields):
        key = binary.text()
        if key in seen:
            raise ValueError(f"the field {key!r} stands there twice")
        seen.add(key)
        kind = binary.number("I")
        if key == "general.alignment":
            if kind != _UINT32:
                raise ValueError("general.alignment is no uint32")
            alignment = binary.number("I")
            if alignment == 0 or alignment & (alignment - 1):
                raise ValueError(f"general.alignment is {alignment}, which is no power of two")
        else:
            skip_value(binary, kind)
    return alignment


def _described(binary: Binary, types: Mapping[int, tuple[str, int, int]]) -> _Described:
    name, axes = binary.text(), binary.number("I")
    if axes > _MAX_AXES:
        raise ValueError(f"the tensor {name!r} claims {axes:,} axes, {_MAX_AXES} are accepted")
    sizes = tuple(binary.length() for _ in range(axes))
    number, offset = binary.number("I"), binary.number("Q")
    if number not in types:
        known = f"{', '.join(kind for kind, _, _ in types.values())}; a newer gguf package may know it"
        raise ValueError(f"the tensor {name!r} has the unknown type {number}; known are {known}")
    dtype, block, block_bytes = types[number]
    row = sizes[0] if sizes else 1
    if row % block:
        raise ValueError(f"rows of {row:,} in the tensor {name!r} are not whole blocks of {dtype}, which hold {block}")
    return _Described(Entry(name, sizes[::-1], dtype, prod(sizes) // block * block_bytes), offset)


def _check_places(described: list[_Described], start: int, size: int) -> None:
    """Each tensor lies in the file and behind the one before it, and no name comes twice."""
    names: set[Any] = set()
    end = 0
    for entry, offset in sorted(described, key=lambda each: each.offset):
        if entry.name in names:
            raise ValueError(f"the tensor {entry.name!r} stands there twice")
        names.add(entry.name)
        if offset < end:
            raise ValueError(f"the tensor {entry.name!r} overlaps the one before it")
        end = offset + entry.bytes
        if start + end > size:
            raise ValueError(f"the tensor {entry.name!r} ends at byte {start + end:,}, the file at {size:,}")
