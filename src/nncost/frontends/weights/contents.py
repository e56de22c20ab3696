"""What every reader of a checkpoint gives: its tensors by name, with what their headers say."""

from __future__ import annotations

from math import prod

from nncost.ir.graph import Role
from nncost.records import record


@record
class Entry:
    """One stored tensor.

    ``name`` has dots between its parts, ``bytes`` are those of its numbers as the file stores them;
    ``role`` is what the format itself tells, if it does.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    role: Role | None = None

    @property
    def elements(self) -> int:
        """The number of elements."""
        return prod(self.shape)


@record
class Contents:
    """The tensors of a checkpoint in the order of the file, and what a reader should know."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()


def printable(text: str) -> str:
    """Text of a file as a terminal may show it: control characters and broken ones replaced."""
    return "".join(character if character.isprintable() else "�" for character in text)
