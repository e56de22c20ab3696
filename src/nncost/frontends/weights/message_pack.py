"""MessagePack from a file of any size: what is long is stepped over, and its length kept."""

from __future__ import annotations

from collections.abc import Container
from typing import BinaryIO

from nncost.records import record

_MAX_TEXT = 65_535
_MAX_ITEMS = 500_000
_MAX_DEPTH = 64
_TEXTS = {0xD9: 1, 0xDA: 2, 0xDB: 4}
_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4}
_EXTENSIONS = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_FIXED_EXTENSIONS = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
_UNSIGNED = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_SIGNED = {0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_FLOATS = {0xCA: 4, 0xCB: 8}
_LISTS = {0xDC: 2, 0xDD: 4}
_MAPS = {0xDE: 2, 0xDF: 4}
_PLAIN = {0xC0: None, 0xC2: False, 0xC3: True}


@record(eq=False)
class Map:
    """Keys and values; those of a list are numbered."""

    items: tuple[tuple[object, object], ...]


@record(eq=False)
class Skipped:
    """Bytes that were not read."""

    length: int


@record(eq=False)
class Packed:
    """An extension: its kind, and what its bytes hold if they are MessagePack themselves."""

    kind: int
    content: object


def unpacked(file: BinaryIO, size: int, nested: Container[int]) -> object:
    """Return what a file holds; extensions of the kinds ``nested`` are MessagePack inside. Raise ValueError if it is damaged, nested too deeply, or goes on behind it."""
    reader = _Reader(file, nested)
    try:
        value = reader.value(size, 0)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if file.tell() != size:
        raise ValueError(f"it goes on for {size - file.tell():,} bytes behind its end")
    return value


class _Reader:
    def __init__(self, file: BinaryIO, nested: Container[int]) -> None:
        self.file, self.nested, self.items = file, nested, 0

    def value(self, end: int, depth: int) -> object:
        """The next value, which ends before ``end``."""
        self.items += 1
        if self.items > _MAX_ITEMS or depth > _MAX_DEPTH:
            raise ValueError(f"it has more than {_MAX_ITEMS:,} values, or is nested more than {_MAX_DEPTH} deep")
        first = self._number(1, end)
        if first < 0x80 or first >= 0xE0:
            return first if first < 0x80 else first - 0x100
        if first < 0xC0:
            return self._short(first, end, depth)
        if first in _PLAIN:
            return _PLAIN[first]
        if first in _UNSIGNED or first in _SIGNED:
            return self._number(_UNSIGNED.get(first) or _SIGNED[first], end, signed=first in _SIGNED)
        if first in _FLOATS:
            return self._skipped(_FLOATS[first], end)
        if first in _TEXTS:
            return self._text(self._number(_TEXTS[first], end), end)
        if first in _BYTES:
            return self._skipped(self._number(_BYTES[first], end), end)
        if first in _LISTS or first in _MAPS:
            width = _LISTS.get(first) or _MAPS[first]
            return self._items(self._number(width, end), end, depth, is_map=first in _MAPS)
        if first in _EXTENSIONS or first in _FIXED_EXTENSIONS:
            return self._extension(first, end, depth)
        raise ValueError(f"it has a value of the unknown kind {first:#x}")

    def _short(self, first: int, end: int, depth: int) -> object:
        if first < 0xA0:
            return self._items(first & 0x0F, end, depth, is_map=first < 0x90)
        return self._text(first & 0x1F, end)

    def _items(self, length: int, end: int, depth: int, *, is_map: bool) -> Map:
        if length > end - self.file.tell():
            raise ValueError(f"a list in it claims {length:,} values, more than are left")
        pairs: list[tuple[object, object]] = []
        for number in range(length):
            key = self.value(end, depth + 1) if is_map else number
            pairs.append((key if isinstance(key, (str, int)) else "?", self.value(end, depth + 1)))
        if is_map and len({key for key, _ in pairs}) != length:
            raise ValueError("a name stands in a map twice")
        return Map(tuple(pairs))

    def _extension(self, first: int, end: int, depth: int) -> Packed:
        length = _FIXED_EXTENSIONS.get(first) or self._number(_EXTENSIONS[first], end)
        kind = self._number(1, end)
        inner_end = self.file.tell() + length
        if inner_end > end:
            raise ValueError(f"a value claims {length:,} bytes, more than are left")
        content = self.value(inner_end, depth + 1) if length and kind in self.nested else None
        if self.file.tell() != inner_end:
            if content is not None:
                raise ValueError("a value in it goes on behind its end")
            self.file.seek(inner_end)
        return Packed(kind, content)

    def _text(self, length: int, end: int) -> object:
        if length > _MAX_TEXT:
            return self._skipped(length, end)
        return self._read(length, end).decode("utf-8")

    def _number(self, width: int, end: int, *, signed: bool = False) -> int:
        return int.from_bytes(self._read(width, end), "big", signed=signed)

    def _read(self, length: int, end: int) -> bytes:
        if self.file.tell() + length > end:
            raise ValueError("it ends within a value")
        return self.file.read(length)

    def _skipped(self, length: int, end: int) -> Skipped:
        if self.file.tell() + length > end:
            raise ValueError(f"a value claims {length:,} bytes, more than are left")
        self.file.seek(length, 1)
        return Skipped(length)
