"""The table of cases in docs/conventions.md names every case, and our own column is that of a fresh run."""

from __future__ import annotations

import re

import pytest

from benchmarks.peers import DOCUMENT, ERROR, OTHER, RIGHT, ZERO, answer_of_nncost, verdict
from nncost.counting.conventions import CONVENTIONS
from tests.torch.cases import ALL, Case

pytestmark = pytest.mark.usefixtures("without_memory")

TEXT = DOCUMENT.read_text(encoding="utf-8")
ROWS = {
    name: [cell.strip() for cell in cells.split("|")]
    for name, cells in re.findall(r"^\| `(\w+)` \| (.*) \|$", TEXT.partition("<!-- peers: cases -->")[2], re.MULTILINE)
}


def test_every_case_has_a_row() -> None:
    assert list(ROWS) == [case.name for case in ALL]
    assert {cell for row in ROWS.values() for cell in row} <= {RIGHT, OTHER, ZERO, ERROR}


@pytest.mark.parametrize("case", ALL, ids=str)
def test_our_column_is_fresh(case: Case) -> None:
    assert ROWS[case.name][0] == verdict(lambda: answer_of_nncost(case), case)


def test_counts_of_right_answers_add_up() -> None:
    totals = re.search(rf"^\| \*\*right, of {len(ROWS)}\*\* \| (.*) \|$", TEXT, re.MULTILINE)
    assert totals is not None
    columns = zip(*ROWS.values(), strict=True)
    assert [int(cell) for cell in totals[1].split("|")] == [column.count(RIGHT) for column in columns]


def test_every_convention_is_told() -> None:
    for name in {*CONVENTIONS} - {"nncost"}:
        assert f"| `{name}` |" in TEXT
