"""Messages of Protocol Buffers, field by field, and the integers they are made of: no schema, and every length checked.

https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from collections.abc import Iterator

_MAX_VARINT = 10
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}
Value = int | memoryview


def varint(content: memoryview, place: int) -> tuple[int, int]:
    """Return the number at a place and the place behind it. Raise ValueError if it has no end."""
    result = 0
    for number in range(_MAX_VARINT):
        if place + number >= len(content):
            break
        byte = content[place + number]
        result |= (byte & 0x7F) << 7 * number
        if byte < 0x80:
            return result, place + number + 1
    raise ValueError("a number in it has no end")


def fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Number and value of each field, in order. Raise ValueError for what is no message."""
    place = 0
    while place < len(message):
        key, place = varint(message, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = varint(message, place)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            length, place = varint(message, place)
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            raise ValueError(f"it has a field of the unknown kind {kind}")
        if place + length > len(message):
            raise ValueError(f"a field of it claims {length:,} bytes, more than are left")
        yield key >> 3, message[place : place + length]
        place += length


def messages(message: memoryview, number: int) -> Iterator[memoryview]:
    """The inner messages, or bytes, of one field. Raise ValueError if it holds a number instead."""
    for found, value in fields(message):
        if found == number:
            if isinstance(value, int):
                raise ValueError(f"its field {number} is a number")
            yield value


def number_in(message: memoryview, number: int) -> int:
    """The number in one field, 0 where there is none as the format says. Raise ValueError if it holds bytes."""
    result = 0
    for found, value in fields(message):
        if found == number:
            if not isinstance(value, int):
                raise ValueError(f"its field {number} is no number")
            result = value
    return result
