"""A result as a document: plain data that every renderer turns into text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
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
class Bars:
    """A bar for each row of a table, in order: its share of what the ``title`` names, from 0 to 1.

    None is one that is not drawn, since beside it the others could not be seen.
    """

    title: str
    shares: tuple[float | None, ...]


@record
class Table:
    """Rows under their titles.

    ``align`` holds ``l`` or ``r`` per column; without it the first column stands left and the others right. ``groups``
    are titles above the titles, one per column, equal ones side by side. ``total`` is a last row, set apart. Where a page
    is too narrow for every digit of every column, the columns titled ``spare`` are left out; no others ever are.
    ``bars`` are the shares of the rows in something, drawn behind them on a page with room for all else.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    align: str = ""
    groups: tuple[str, ...] = ()
    total: tuple[Cell, ...] | None = None
    spare: tuple[str, ...] = ()
    bars: Bars | None = None

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
    Where it is not ``complete``, something is missing in it, which title and description say. ``print`` shows the text
    with bars, a notebook the picture. ``short`` is what text shows of a long ``table``.
    """

    title: str
    description: str
    picture: Mapping[str, Any] | str
    table: Table
    complete: bool = True
    short: Table | None = None

    def save(self, path: str | PathLike[str], theme: str = "light") -> None:
        """Write the chart to a file that ends in ``.svg``, ``.png``, ``.html`` or ``.json``, whole or not at all.

        ``theme``, ``"light"`` or ``"dark"``, is that of a PNG and of JSON; SVG and HTML follow their reader.

        Raise OptionError for another ending or theme, and where the file cannot be written.
        """
        from nncost.documents.pictures.files import save

        save(self, path, theme)

    def to_dict(self, theme: str = "light") -> dict[str, Any]:
        """Return the Vega-Lite specification with the theme; of a drawing the block with its SVG."""
        from nncost.documents.pictures.files import data

        return data(self, theme)

    def altair(self) -> Any:
        """Return the chart as an ``altair.Chart``, to go on with. Raise OptionError for a drawing."""
        from nncost.documents.pictures import altair_chart

        return altair_chart(self)

    def render(self, form: str = PLAIN, width: int | None = None, encoding: str | None = None) -> str:
        """Return the chart in a format of ``FORMATS``: text with bars, a table of Markdown, a page of HTML."""
        return self.document.render(form, width, encoding)

    @property
    def document(self) -> Document:
        """The chart alone as a document, whose main table has its numbers."""
        return Document("", (Section("", (self,)),), main=self.table)

    def __str__(self) -> str:
        """The text that a pipe receives: title, description, and the numbers with bars."""
        return str(self.document)

    def __repr__(self) -> str:
        return f"<Chart {one_line(self.title)!r}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Text, and HTML without scripts: a notebook takes the one that it can show."""
        from nncost.documents.html import fragment

        return {"text/plain": str(self), "text/html": fragment(self.document)}


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
