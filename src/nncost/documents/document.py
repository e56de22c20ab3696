"""An explanation as plain data: what every renderer turns into text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union


@dataclass(frozen=True, slots=True)
class Maths:
    """One formula or number in two forms: Unicode text and LaTeX (without dollar signs)."""

    text: str
    latex: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text; its mathematics is written in Unicode."""

    text: str


@dataclass(frozen=True, slots=True)
class Heading:
    """A title inside a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Equation:
    """A displayed equation."""

    maths: Maths


@dataclass(frozen=True, slots=True)
class Line:
    """One worked line: ``label  formula = numbers = result``; the first two may be absent."""

    label: str
    formula: Maths | None
    numbers: Maths | None
    result: Maths


@dataclass(frozen=True, slots=True)
class Work:
    """Worked lines and, below them, their sum."""

    lines: tuple[Line, ...]
    total: Line | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose cells are text or mathematics."""

    header: tuple[str, ...]
    rows: tuple[tuple[str | Maths, ...], ...]


Block = Union[Paragraph, Heading, Equation, Work, Table]


@dataclass(frozen=True, slots=True)
class Section:
    """A topic with its blocks in reading order."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The worked arithmetic of one source, ready for ``plain``, ``markdown`` or ``latex``."""

    title: str
    sections: tuple[Section, ...]

    def __str__(self) -> str:
        """The text a terminal shows."""
        from nncost.documents.plain import render

        return render(self)
