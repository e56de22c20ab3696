"""HTML: well formed, without scripts, every text of the document in it, and text of anybody only ever text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nncost
from nncost.documents.document import (
    Cell,
    Chart,
    Document,
    Equation,
    Facts,
    Heading,
    Line,
    Maths,
    Note,
    Paragraph,
    Section,
    Shell,
    Table,
    Work,
    text_of,
)
from nncost.documents.html import body, fragment
from nncost.documents.mathml import mathml
from nncost.names import printable
from tests.documents.test_formats import NAMES, built

HOSTILE = "</script></style><img src=x onerror=alert(1)>\"'&lt;"
ELEMENTS = {
    "section", "h1", "h2", "h3", "h4", "p", "div", "table", "thead", "tbody", "tfoot", "tr", "th", "td", "dl", "dt", "dd", "code",
    "figure", "figcaption", "details", "summary", "style", "svg",
}  # fmt: skip
MATHS = {"math", "mrow", "mi", "mo", "mn", "mtext", "msub", "msup", "msubsup", "munder", "munderover", "mfrac", "msqrt", "mover", "mstyle", "mspace", "mtable", "mtr", "mtd"}  # fmt: skip
ATTRIBUTES = {"class", "scope", "colspan", "tabindex", "role", "aria-label"}


def parsed(text: str) -> ET.Element:
    return ET.fromstring(f"<body>{text}</body>")


def shown_text(text: str) -> str:
    return re.sub(r"\s+", " ", " ".join(parsed(text).itertext()))


@pytest.mark.parametrize("name", NAMES)
def test_every_document_is_well_formed_and_has_no_script(name: str) -> None:
    for element in parsed(body(built(name))).iter():
        if element.tag in MATHS:
            continue
        assert element.tag in ELEMENTS | {"body"}
        assert set(element.attrib) <= ATTRIBUTES


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_of_text_and_number_is_shown(name: str) -> None:
    words = set(shown_text(body(built(name))).split())
    for section in built(name).sections:
        for block in section.blocks:
            rows = block.all_rows if isinstance(block, Table) else block.pairs if isinstance(block, Facts) else ()
            for cell in (cell for row in rows for cell in row if isinstance(cell, (str, int))):
                assert set(printable(text_of(cell)).split()) <= words


def test_a_page_stands_alone() -> None:
    page = built("explain").render("html")
    assert page.startswith("<!doctype html>")
    assert not re.search(r"<script|\bon\w+=|https?://|url\(|@import", page)
    parser = HTMLParser()
    parser.feed(page)
    assert nncost.count("784-16-16-10")._repr_mimebundle_()["text/html"].startswith('<div class="nncost">')


def everywhere(text: str) -> Document:
    """A text in each place that a text can have."""
    maths = Maths(text, text)
    cells: tuple[Cell, ...] = (text, maths)
    table = Table((text, text), (cells,), groups=("", text), total=cells)
    chart = Chart(text, text, "<svg/>", table)
    line = Line(text, maths, maths, maths)
    blocks = (
        Paragraph(text), Note(text), Note(text, is_warning=True), Shell(text, (text, text)), Heading(text), Equation(maths), Work((line,), line),
        table, Facts(((text, text), (text, maths))), chart,
    )  # fmt: skip
    return Document(text, (Section(text, blocks),))


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=40)
    | st.sampled_from([HOSTILE, f"\\href{{javascript:alert(1)}}{{x}} {HOSTILE}", "\\unicode{60}script"])
)
def test_text_of_anybody_is_text(text: str) -> None:
    for element in parsed(body(everywhere(text))).iter():
        assert element.tag in ELEMENTS | MATHS | {"body"}
        assert not any(name.startswith("on") or name in ("href", "src", "style") for name in element.attrib)
    assert HOSTILE in "".join(parsed(body(everywhere(HOSTILE))).itertext())


def test_numbers_and_words_of_formulas_are_whole() -> None:
    assert "<mn>12,960</mn>" in mathml(r"784 \cdot 16 = 12{,}960")
    assert "<mi>width</mi>" in mathml(r"\mathit{width}^{2}")
    floor = mathml(r"\lfloor \frac{a}{b} \rfloor")
    assert floor.count("<mo") == 2
    assert mathml(r"\frac{").startswith("<code>")


def test_a_notebook_gets_the_first_rows_of_a_long_table() -> None:
    rows = tuple((f"layer {number}", number) for number in range(1_000))
    shown = fragment(Document("", (Section("", (Table(("layer", "mul"), rows, total=("total", 499_500)),)),)))
    assert shown.count("<tr>") == 1 + 200 + 1 + 1
    assert "… 800 more rows" in shown
    assert "499,500" in shown
