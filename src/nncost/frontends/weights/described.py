"""What the values of a pickle are described as: tensors by their storage, offset, shape and steps, objects by their parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

from nncost.records import record


@record
class Global:
    """A name from a pickle."""

    name: str


@record
class StorageRecord:
    """A block of numbers in the file: its key, type, bytes of an element and number of elements."""

    key: str
    dtype: str
    item_bytes: int
    elements: int


@record(eq=False)
class TensorRecord:
    """A view of a storage."""

    storage: StorageRecord
    dtype: str
    item_bytes: int
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def span(self) -> int:
        """Elements from its first to its last in the storage."""
        if not prod(self.shape):
            return 0
        return 1 + sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))

    @property
    def stored(self) -> int:
        """Elements that are stored: an axis that repeats has one of them."""
        elements = prod(size for size, step in zip(self.shape, self.stride, strict=True) if step or not size)
        return min(elements, self.span)

    @property
    def bytes(self) -> int:
        """Bytes of those."""
        return self.stored * self.item_bytes

    @property
    def has_gaps(self) -> bool:
        """Whether there are numbers between its own, of which it has none."""
        return self.stored < self.span


@dataclass(slots=True, eq=False)
class Object:
    """A value that is not made: the name of its class or of what makes it, and its parts by their names or numbers."""

    name: str
    parts: dict[Any, Any] = field(default_factory=dict)


@record(eq=False)
class ShapeRecord:
    """A tensor of which the file has no numbers: it was on the device ``meta``."""

    dtype: str
    shape: tuple[int, ...]


@record(eq=False)
class WrapperRecord:
    """A tensor of a class of its own that is made of others, as quantized ones are; ``shape`` is what the network sees."""

    name: str
    shape: tuple[int, ...]
    parts: Any
