"""An ONNX file without its weights: large tensors are left where they lie, as if they were in another file.

The file is mapped, not read: only the pages with headers are touched, so that memory and time do not depend on how large
the weights are. Field numbers are those of onnx.proto, which may never change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

Field = tuple[int, int, int, int, int]
"""A field's number and wire type, where it begins, where its content begins, and where it ends."""

LARGE = 2**14
"""Bytes from which on a message is opened to look for weights, and a tensor's numbers are left in the file."""
MAX_FIELDS = 1_000_000
"""Fields that are looked at: nodes, tensors and what else a graph lists."""
MAX_DEPTH = 100
"""Messages inside each other, of which a branch or a loop adds three; protocol buffers allow no more."""
TOO_DEEP = "has graphs that lie too deep inside each other"
OWN_FILE = ""
"""The location of numbers that lie in the model's own file."""

_NESTED: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""The messages that hold tensors, and their fields that lead there."""
_NUMBERS = frozenset({4, 9, 10})
"""TensorProto's float_data, raw_data and double_data: bytes in the order of the machine."""
_LISTS: Mapping[str, frozenset[int]] = {"attribute": frozenset({7, 8, 9}), "tensor": frozenset({6})}
"""AttributeProto's floats, ints and strings and TensorProto's string_data: there may be millions in one list, and what has
one has no numbers that could be left in the file."""
_EXTERNAL_DATA, _DATA_LOCATION, _EXTERNAL = 13, 14, 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class DamagedError(ValueError):
    """Bytes that are no protocol buffer."""


class TooManyPartsError(ValueError):
    """More nodes, tensors and other parts than anyone writes, or too many of them inside each other."""


def light_copy(content: memoryview) -> bytes:
    """Return the model in ``content`` with its large tensors replaced by places in the file.

    Raise DamagedError or TooManyPartsError.
    """
    return b"".join(_copied(content, 0, len(content), "model", _Budget(), MAX_DEPTH))


class _Budget:
    """How many fields may still be looked at."""

    def __init__(self) -> None:
        self.left = MAX_FIELDS

    def take(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise TooManyPartsError(f"has more than {MAX_FIELDS:,} nodes, tensors and other parts")


def _copied(content: memoryview, start: int, end: int, kind: str, budget: _Budget, depth: int) -> Iterator[bytes]:
    """The pieces of a message's copy: fields that are small, or lead to no tensor, as they are."""
    if depth < 0:
        raise TooManyPartsError(TOO_DEEP)
    kept = start
    for number, wire, begin, inside, stop in _fields(content, start, end, budget):
        if number in _LISTS.get(kind, ()):
            break
        if wire != _BYTES or stop - inside < LARGE:
            continue
        if kind == "tensor" and number in _NUMBERS:
            replaced = [_place(inside, stop - inside)]
        elif number in _NESTED[kind]:
            inner = list(_copied(content, inside, stop, _NESTED[kind][number], budget, depth - 1))
            replaced = [_tag(number, _BYTES), _varint(sum(map(len, inner))), *inner]
        else:
            continue
        yield bytes(content[kept:begin])
        yield from replaced
        kept = stop
    yield bytes(content[kept:end])


def _fields(content: memoryview, position: int, end: int, budget: _Budget) -> Iterator[Field]:
    while position < end:
        budget.take()
        begin = position
        tag = content[position]
        if tag < 128:
            position += 1
        else:
            tag, position = _read_varint(content, position, end)
        number, wire = tag >> 3, tag & 7
        inside = position
        if wire == _BYTES:
            length, inside = _read_varint(content, position, end)
            position = inside + length
        elif wire == _VARINT:
            _, position = _read_varint(content, position, end)
        elif wire in (_FIXED32, _FIXED64):
            position += 4 if wire == _FIXED32 else 8
        else:
            raise DamagedError(f"a field of the wire type {wire}")
        if position > end or number == 0:
            raise DamagedError("a field reaches beyond its message")
        yield number, wire, begin, inside, position


def _read_varint(content: memoryview, position: int, end: int) -> tuple[int, int]:
    result = shift = 0
    while position < end and shift < 64:
        byte = content[position]
        position += 1
        result |= (byte & 127) << shift
        if byte < 128:
            return result, position
        shift += 7
    raise DamagedError("a number is cut short")


def _varint(number: int) -> bytes:
    result = bytearray()
    while number > 127:
        result.append(number & 127 | 128)
        number >>= 7
    result.append(number)
    return bytes(result)


def _tag(number: int, wire: int) -> bytes:
    return _varint(number << 3 | wire)


def _entry(key: str, value: str) -> bytes:
    inner = b"".join(
        _tag(number, _BYTES) + _varint(len(text)) + text.encode() for number, text in ((1, key), (2, value))
    )
    return _tag(_EXTERNAL_DATA, _BYTES) + _varint(len(inner)) + inner


def _place(offset: int, length: int) -> bytes:
    """What a tensor says of numbers that lie elsewhere: here, in the model's own file."""
    entries = _entry("location", OWN_FILE) + _entry("offset", str(offset)) + _entry("length", str(length))
    return entries + _tag(_DATA_LOCATION, _VARINT) + _varint(_EXTERNAL)
