"""Numbers and texts of a GGUF header, each checked against what is left of the file."""

from __future__ import annotations

import struct
from typing import BinaryIO

from nncost.records import record

_MAX_TEXT = 65_535
"""Bytes of a name; the format allows 65,535 for keys and 64 for tensors."""
_MAX_TEXTS = 4_000_000
"""Texts and lists in one list: vocabularies have some 300,000 tokens and as many merges."""
_TEXT, _LIST = 8, 9
_SCALAR_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


@record
class Binary:
    """An open file at some position, its size, its byte order, and the code of its lengths: version 1 has four bytes for them."""

    file: BinaryIO
    size: int
    order: str
    lengths: str = "Q"

    def number(self, code: str) -> int:
        """Return the next integer, by its code in ``struct``. Raise ValueError at the end of the file."""
        content = self.file.read(struct.calcsize(code))
        try:
            return int(struct.unpack(self.order + code, content)[0])
        except struct.error:
            raise ValueError("it ends within its header") from None

    def length(self) -> int:
        """Return the next length."""
        return self.number(self.lengths)

    def text(self) -> str:
        """Return the next name. Raise ValueError if it is too long, cut short or no UTF-8."""
        length = self.length()
        if length > _MAX_TEXT:
            raise ValueError(f"a name claims {length:,} bytes, {_MAX_TEXT:,} are accepted")
        content = self.file.read(length)
        if len(content) < length:
            raise ValueError("it ends within a name")
        return content.decode("utf-8")

    def skip(self, length: int) -> None:
        """Step over bytes. Raise ValueError if the file has fewer."""
        if self.file.tell() + length > self.size:
            raise ValueError(f"a value claims {length:,} bytes, more than are left")
        self.file.seek(length, 1)


def skip_value(binary: Binary, kind: int) -> None:
    """Step over a value of the metadata: a scalar, a text or a list of one kind."""
    if kind in _SCALAR_BYTES:
        binary.skip(_SCALAR_BYTES[kind])
    elif kind == _TEXT:
        binary.skip(binary.length())
    elif kind == _LIST:
        _skip_list(binary)
    else:
        raise ValueError(f"its metadata has a value of the unknown kind {kind}")


def _skip_list(binary: Binary) -> None:
    kind, length = binary.number("I"), binary.length()
    if kind in _SCALAR_BYTES:
        binary.skip(length * _SCALAR_BYTES[kind])
        return
    if kind != _TEXT or length > _MAX_TEXTS:
        raise ValueError(
            f"a list in its metadata claims {length:,} values of kind {kind}; {_MAX_TEXTS:,} texts are accepted"
        )
    for _ in range(length):
        binary.skip(binary.length())
