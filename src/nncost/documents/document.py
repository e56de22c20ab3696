"""A result as a document: plain data that every renderer turns into text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard, Union

from nncost.dims import Dim
from nncost.documents import PLAIN, renderer
from nncost.records import record
from nncost.units import exact, one_line


@record
class Maths:
    """One formula or number in two forms: Unicode text and LaTeX (without dollar signs)."""

    text: str
    latex: str


@record
class Number:
    """A number of seconds, bytes or the like: its value in the base unit, and as people read it (``45.2 µs``)."""

    value: float
    text: str


NONE = "–"
"""A cell whose value is not known; CSV leaves it empty."""
Cell = Union[str, Dim, Maths, Number]
"""Text, an exact amount (an integer or a formula), mathematics, or a number in a unit."""


def text_of(cell: Cell, amount: Callable[[Dim], str] = exact) -> str:
    """Return a cell as text; ``amount`` writes integers and formulas."""
    if isinstance(cell, str):
        return cell
    return cell.text if isinstance(cell, (Maths, Number)) else amount(cell)


def is_formula(cell: Cell) -> TypeGuard[Dim]:
    """Return whether a cell is an amount with symbols."""
    return not isinstance(cell, (int, str, Maths, Number))


@record
class Paragraph:
    """Running text; its mathematics is written in Unicode."""

    text: str


@record
class Note:
    """A remark on the document, or a warning about its numbers."""

    text: str
    is_warning: bool = False


@record
class Shell:
    """A command that can be pasted into a shell, behind a ``lead`` such as ``Next:``."""

    lead: str
    words: tuple[str, ...]

    @property
    def quoted(self) -> tuple[str, ...]:
        """The words as a shell reads them."""
        from shlex import quote

        return tuple(map(quote, self.words))

    @property
    def command(self) -> str:
        """The command on one line."""
        return " ".join(self.quoted)


@record
class Heading:
    """The title of the blocks below it, inside a section."""

    text: str


@record
class Equation:
    """A displayed equation."""

    maths: Maths


@record
class Line:
    """One worked line: ``label  formula = numbers = result``; the first two may be absent."""

    label: str
    formula: Maths | None
    numbers: Maths | None
    result: Maths


@record
class Work:
    """Worked lines and, below them, their sum."""

    lines: tuple[Line, ...]
    total: Line | None = None

    @property
    def all_lines(self) -> tuple[Line, ...]:
        """The lines and, below them, the total."""
        return self.lines if self.total is None else (*self.lines, self.total)


@record
class Table:
    """Rows under their titles.

    ``align`` holds ``l`` or ``r`` per column; without it the first column stands left and the others right. ``groups``
    are titles above the titles, one per column, equal ones side by side. ``total`` is a last row, set apart. Where a page
    is too narrow for every digit of every column, the columns titled ``spare`` are left out; no others ever are.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    align: str = ""
    groups: tuple[str, ...] = ()
    total: tuple[Cell, ...] | None = None
    spare: tuple[str, ...] = ()

    @property
    def alignment(self) -> str:
        """``l`` or ``r`` per column."""
        return self.align or "l" + "r" * (len(self.header) - 1)

    @property
    def all_rows(self) -> tuple[tuple[Cell, ...], ...]:
        """The rows and, below them, the total."""
        return self.rows if self.total is None else (*self.rows, self.total)

    @property
    def titles(self) -> tuple[str, ...]:
        """One title per column, its group before it."""
        groups = self.groups or ("",) * len(self.header)
        return tuple(f"{group} {title}".strip() for group, title in zip(groups, self.header, strict=True))


@record
class Facts:
    """Names and what each of them is, one pair per line."""

    pairs: tuple[tuple[str, Cell], ...]


@record(eq=False)
class Chart:
    """A picture of numbers, and what stands in its place where there are no pictures.

    ``picture`` is a Vega-Lite specification without a theme, its data inside, or an SVG in the colours of ``style.css``.
    ``description`` says in a sentence or two what it shows, for those who do not see it; ``table`` holds its numbers.
    """

    title: str
    description: str
    picture: Mapping[str, Any] | str
    table: Table


Block = Union[Paragraph, Note, Shell, Heading, Equation, Work, Table, Facts, Chart]


@record
class Section:
    """A topic with its blocks in reading order; without a title, the blocks that need none."""

    title: str
    blocks: tuple[Block, ...]


@record
class Document:
    """A result with its title, which may be empty. ``main`` is the table that CSV holds if it is not the first one."""

    title: str
    sections: tuple[Section, ...]
    main: Table | None = None

    def render(self, form: str = PLAIN, width: int | None = None, encoding: str | None = None) -> str:
        """Return the document in a format of ``FORMATS``, ending in a newline, in lines of at most ``width`` columns.

        Without a width prose has the width of a page and tables keep every digit, as in a pipe. In plain text,
        characters that the ``encoding`` lacks have a plain form. Raise KeyError for an unknown format and OptionError
        if the format cannot hold the document.
        """
        return renderer(form)(self, width, encoding)

    def __str__(self) -> str:
        """The text that a pipe receives, as ``print`` wants it: without the end of its last line."""
        return self.render().removesuffix("\n")

    def __repr__(self) -> str:
        """One line: the title and the sections."""
        titles = ", ".join(section.title for section in self.sections if section.title)
        return f"<Document {one_line(self.title)!r}{f': {titles}' if titles else ''}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Text, and HTML without scripts: a notebook takes the one that it can show."""
        from nncost.documents.html import fragment

        return {"text/plain": str(self), "text/html": fragment(self)}
