"""Tables of FlatBuffers, read where they stand: every place is checked against the file (https://flatbuffers.dev/internals)."""

from __future__ import annotations

from collections.abc import Iterator
from struct import error, unpack_from

from nncost.records import record

_MAX_ITEMS = 4_000_000


@record(eq=False)
class Table:
    """A table at a place of a buffer."""

    content: memoryview
    place: int

    def number(self, field: int, code: str = "I") -> int:
        """The number in a field by its code in ``struct``, 0 where there is none."""
        where = self._where(field)
        return int(_at(self.content, where, code)) if where else 0

    def table(self, field: int) -> Table | None:
        """The table in a field; None where there is none."""
        where = self._where(field)
        return Table(self.content, where + _at(self.content, where, "I")) if where else None

    def text(self, field: int) -> str:
        """The text in a field."""
        start, length = self._vector(field, 1)
        return bytes(self.content[start : start + length]).decode("utf-8")

    def length(self, field: int, width: int) -> int:
        """The number of items of so many bytes in a field."""
        return self._vector(field, width)[1]

    def numbers(self, field: int, code: str, width: int) -> tuple[int, ...]:
        """The numbers in a field."""
        start, length = self._vector(field, width)
        return unpack_from(f"<{length}{code}", self.content, start) if length else ()

    def tables(self, field: int) -> Iterator[Table]:
        """The tables in a field."""
        start, length = self._vector(field, 4)
        for number in range(length):
            where = start + 4 * number
            yield Table(self.content, where + _at(self.content, where, "I"))

    def _where(self, field: int) -> int:
        """Where a field is; 0 if the table leaves it out."""
        layout = self.place - _at(self.content, self.place, "i")
        size = _at(self.content, layout, "H")
        entry = 4 + 2 * field
        offset = _at(self.content, layout + entry, "H") if entry < size else 0
        return self.place + offset if offset else 0

    def _vector(self, field: int, width: int) -> tuple[int, int]:
        where = self._where(field)
        if not where:
            return 0, 0
        start = where + _at(self.content, where, "I")
        length = _at(self.content, start, "I")
        if (length > _MAX_ITEMS and width > 1) or start + 4 + length * width > len(self.content):
            raise ValueError(f"a list in it claims {length:,} items, more than are left")
        return start + 4, length


def root(content: memoryview) -> Table:
    """Return the table that a buffer is. Raise ValueError if it ends before it."""
    return Table(content, _at(content, 0, "I"))


def _at(content: memoryview, place: int, code: str) -> int:
    try:
        if place < 0:
            raise ValueError("a place in it is before its beginning")
        return int(unpack_from(f"<{code}", content, place)[0])
    except error:
        raise ValueError("a place in it is behind its end") from None
