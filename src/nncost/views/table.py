"""A table before any markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nncost.dims import Dim


@dataclass(frozen=True, slots=True)
class Table:
    """A caption, column titles (over an optional group title) and rows of amounts; the last row may be a total."""

    caption: str
    groups: Sequence[str]
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Dim]]]
    has_total: bool = False
    notes: Sequence[str] = ()
