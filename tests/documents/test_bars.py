"""Bars behind the rows of tables: on terminals with room for all else, in charts anywhere, nowhere in other formats.

Write the golden texts anew with ``python -m tests.documents.test_bars``, and read the difference.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nncost
from nncost.documents import FORMATS
from nncost.documents.bars import bar_text
from nncost.documents.document import Bars, Chart, Document, Section, Table
from nncost.documents.lines import columns
from nncost.documents.page import Page
from nncost.documents.tables import table_lines
from nncost.records import replace

GOLDEN = Path(__file__).parent / "golden"
SPEC = "784-16-16-10"
BLOCKS = "▏▎▍▌▋▊▉█"
PAGES: dict[str, tuple[str, int | None, str | None]] = {
    **{f"bars-{width}": ("plain", width, None) for width in (60, 80, 120)}, "bars-pipe": ("plain", None, None),
    **{f"bars-{width}-colour": ("terminal", width, None) for width in (60, 80, 120)}, "bars-120-ascii": ("plain", 120, "ascii"),
}  # fmt: skip


@cache
def documents() -> tuple[Document, ...]:
    report, prediction = nncost.count(SPEC), nncost.predict(SPEC, on="h100")
    charts = (report.plot.layers(), prediction.plot.time(), nncost.plot("784-h-10", "growth", over="h=1..64"))
    return report.table(), report.table(by="memory"), prediction.table(), Document("", (Section("", charts),))


def laid_out(name: str) -> str:
    form, width, encoding = PAGES[name]
    with mock.patch.dict(os.environ, {"FORCE_COLOR": "1", "TERM": "xterm-256color"}):
        for variable in ("NO_COLOR", "COLORTERM"):
            os.environ.pop(variable, None)
        return "\n".join(document.render(form, width, encoding) for document in documents())


@pytest.mark.parametrize("name", PAGES)
def test_golden(name: str) -> None:
    assert laid_out(name) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8"), (
        "write anew with: python -m tests.documents.test_bars"
    )


@pytest.mark.parametrize("number", range(3))
def test_only_where_there_is_a_page_with_room(number: int) -> None:
    document = documents()[number]
    bare = Document(
        document.title,
        tuple(
            Section(s.title, tuple(replace(b, bars=None) if isinstance(b, Table) else b for b in s.blocks))
            for s in document.sections
        ),
        document.main,
    )
    for form in FORMATS:
        assert document.render(form) == bare.render(form), f"{form} has no bars in a pipe"
    assert any(sign in document.render("plain", 140) for sign in BLOCKS)
    for width in range(40, 140):
        shown, plain = document.render("plain", width).splitlines(), bare.render("plain", width).splitlines()
        assert len(shown) == len(plain)
        for one, other in zip(shown, plain, strict=True):
            assert one.startswith(other), "bars take no room from anything else"
            assert columns(one) <= width


def test_a_chart_has_bars_in_a_pipe() -> None:
    assert "█" in documents()[3].render("plain")
    assert not any(
        sign in documents()[3].render(form) for sign in BLOCKS for form in ("markdown", "csv", "json", "latex")
    )


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=8),
    st.sampled_from(["utf-8", "cp437", "cp1252", "ascii"]),
    st.integers(30, 120),
)
def test_the_longest_bar_is_the_largest_share(shares: list[float], encoding: str, width: int) -> None:
    table = Table(
        ("name", "n"),
        tuple((f"row {place}", place) for place, _ in enumerate(shares)),
        bars=Bars("share", tuple(shares)),
    )
    lines = [line.text for line in table_lines(table, Page(width, encoding)).lines]
    for line in lines:
        line.encode(encoding)
        assert line == line.rstrip()
        assert columns(line) <= width
    sizes = [columns(line) for line in lines[2:]]
    for one, other in ((a, b) for a in range(len(shares)) for b in range(len(shares)) if shares[a] >= shares[b]):
        assert sizes[one] >= sizes[other]


def test_what_is_there_is_seen() -> None:
    page = Page(80, "utf-8")
    assert bar_text(1e-9, 10, page) == "▏"
    assert bar_text(0, 10, page) == ""
    assert bar_text(1, 10, page) == "█" * 10
    assert bar_text(0.55, 10, page) == "█████▌"
    assert bar_text(0.55, 10, Page(80, "ascii")) == "######"


def test_a_chart_without_rows_or_shares() -> None:
    for table in (Table(("", "n"), (), bars=Bars("n", ())), Table(("", "n"), (("a", 0),), bars=Bars("n", (0.0,)))):
        assert "title" in str(Chart("title", "text", {}, table))


if __name__ == "__main__":
    for page_name in PAGES:
        (GOLDEN / f"{page_name}.txt").write_text(laid_out(page_name), encoding="utf-8")
