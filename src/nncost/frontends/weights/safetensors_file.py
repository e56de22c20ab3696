"""Headers of ``.safetensors`` files, read and checked by the format's own package."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from nncost.errors import MissingExtraError
from nncost.frontends.weights.contents import Contents, Entry, describes, dtype_name
from nncost.frontends.weights.files import SAFETENSORS, damaged, opened, unique_json
from nncost.records import replace

_LENGTH_BYTES = 8
_MAX_HEADER = 32 * 2**20
"""Some 300,000 tensors; the format's own limit is 100,000,000 bytes."""
_BITS = re.compile(r"\d+")
_DIGITS = re.compile(r"(\d+)")


def read(path: str) -> Contents:
    """Return the tensors of one file, ordered by name. Raise SourceError, or MissingExtraError without ``safetensors``."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise MissingExtraError("reading a .safetensors file", "safetensors", "weights") from None
    with opened(path, SAFETENSORS) as (file, size):
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if not 0 < length <= min(size - _LENGTH_BYTES, _MAX_HEADER):
            raise damaged(path, SAFETENSORS, f"its header claims {length:,} bytes, the file has {size:,}")
        header = file.read(length)
    try:
        with safe_open(path, framework="np") as content:
            described = unique_json(header)
            entries = [_entry(name, content.get_slice(name)) for name in content.keys()]  # noqa: SIM118
            metadata = content.metadata() or {}
        entries = _with_values(path, entries, described, _LENGTH_BYTES + length)
    except (SafetensorError, ValueError, OSError) as error:
        raise damaged(path, SAFETENSORS, error) from None
    return Contents(tuple(sorted(entries, key=lambda entry: natural(entry.name))), metadata=metadata)


def _with_values(path: str, entries: list[Entry], described: Mapping[str, Any], start: int) -> list[Entry]:
    """The entries; those that describe other tensors with their bytes, which are a few."""
    describing = [number for number, entry in enumerate(entries) if describes(entry)]
    if describing:
        with Path(path).open("rb") as file:
            for number in describing:
                entry = entries[number]
                file.seek(start + described[entry.name]["data_offsets"][0])
                entries[number] = replace(entry, value=file.read(entry.bytes))
    return entries


def _entry(name: str, tensor: object) -> Entry:
    dtype, shape = tensor.get_dtype(), tuple(tensor.get_shape())  # type: ignore[attr-defined]
    return Entry(name, shape, dtype_name(dtype), prod(shape) * bits_of(dtype) // 8)


def bits_of(dtype: str) -> int:
    """Bits of one element, which the type's name says: ``F8_E4M3`` has eight. A Boolean takes a byte."""
    found = _BITS.search(dtype)
    return int(found[0]) if found else 8


def natural(name: str) -> list[tuple[int, str]]:
    """A sort key that puts layer 2 before layer 10."""
    return [(int(part), "") if part.isascii() and part.isdigit() else (-1, part) for part in _DIGITS.split(name[:4096])]
