"""A node's attributes by name and type, with an error for any other type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nncost.errors import SourceError

_FLOAT, _INT, _STRING, _TENSOR, _GRAPH, _FLOATS, _INTS, _STRINGS, _SPARSE = 1, 2, 3, 4, 5, 6, 7, 8, 11
_NAMES = {
    _FLOAT: "a number",
    _INT: "a whole number",
    _STRING: "text",
    _TENSOR: "a tensor",
    _GRAPH: "a graph",
    _SPARSE: "a sparse tensor",
    _FLOATS: "numbers",
    _INTS: "whole numbers",
    _STRINGS: "texts",
}
"""AttributeProto.AttributeType, as fixed by the file format."""


class Attributes:
    """Reads attributes; a missing one has its default."""

    def __init__(self, node: Any) -> None:
        self._by_name = {attribute.name: attribute for attribute in node.attribute}

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def _of(self, name: str, kind: int) -> Any:
        attribute = self._by_name.get(name)
        if attribute is not None and attribute.type != kind:
            raise SourceError(f"the attribute {name!r} must be {_NAMES[kind]}, received type {attribute.type}.")
        return attribute

    def integer(self, name: str, default: int) -> int:
        """A whole number."""
        attribute = self._of(name, _INT)
        return default if attribute is None else int(attribute.i)

    def flag(self, name: str, default: bool) -> bool:
        """A whole number as a Boolean: 0 is false."""
        return self.integer(name, int(default)) != 0

    def integers(self, name: str, default: Sequence[int] | None = None) -> list[int] | None:
        """Whole numbers, or the default."""
        attribute = self._of(name, _INTS)
        if attribute is None:
            return None if default is None else list(default)
        return list(attribute.ints)

    def number(self, name: str, default: float) -> float:
        """A floating-point number."""
        attribute = self._of(name, _FLOAT)
        return default if attribute is None else float(attribute.f)

    def numbers(self, name: str) -> list[float]:
        """Floating-point numbers; none if the attribute is missing."""
        attribute = self._of(name, _FLOATS)
        return [] if attribute is None else list(attribute.floats)

    def text(self, name: str, default: str) -> str:
        """A text."""
        attribute = self._of(name, _STRING)
        return default if attribute is None else bytes(attribute.s).decode("utf-8", "replace")

    def texts(self, name: str) -> list[str] | None:
        """Texts, or None if the attribute is missing."""
        attribute = self._of(name, _STRINGS)
        return None if attribute is None else [bytes(text).decode("utf-8", "replace") for text in attribute.strings]

    def graph(self, name: str) -> Any:
        """A body. Raise SourceError if it is missing."""
        attribute = self._of(name, _GRAPH)
        if attribute is None:
            raise SourceError(f"the attribute {name!r} is missing.")
        return attribute.g

    def sparse_tensor(self, name: str) -> Any:
        """A SparseTensorProto, or None."""
        attribute = self._of(name, _SPARSE)
        return None if attribute is None else attribute.sparse_tensor

    def tensor(self, name: str) -> Any:
        """A TensorProto, or None."""
        attribute = self._of(name, _TENSOR)
        return None if attribute is None else attribute.t
