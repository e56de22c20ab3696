"""What a text is laid out for: the columns of a terminal and the characters that its encoding has."""

from __future__ import annotations

from collections.abc import Callable

from nncost.dims import Dim
from nncost.documents.characters import plainly
from nncost.documents.document import Cell, text_of
from nncost.names import printable
from nncost.records import record
from nncost.units import abbreviated, exact

_KEPT = "\n\u00a0\u202f"
"""What text may have that is no character to be shown: the ends of its lines, and spaces of other widths."""
PAGE = 80
"""The width of prose in a pipe."""


@record
class Page:
    """``width`` is None in a pipe, where tables keep every digit; with ``encoding`` None every character can be shown."""

    width: int | None = None
    encoding: str | None = None

    @property
    def room(self) -> int:
        """Columns for prose."""
        return self.width or PAGE

    def text(self, text: str) -> str:
        """Return the text as it is shown: giant numbers without their middle, no character that is lacking."""
        return plainly(abbreviated(printable(text, _KEPT)), self.encoding)

    def cell(self, cell: Cell, amount: Callable[[Dim], str] = exact) -> str:
        """Return a cell as it is shown; ``amount`` writes integers and formulas."""
        return self.text(text_of(cell, amount))

    def fits(self, width: int) -> bool:
        """Return whether a line of so many columns fits."""
        return self.width is None or width <= self.width
