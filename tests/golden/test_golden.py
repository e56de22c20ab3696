"""Reports stay what they are: what ``nncost.count`` says of some 300 sources, to the last number and word.

A change that is meant is written by ``python -m tests.golden.write`` and explained in its commit.
"""

from __future__ import annotations

from functools import cache
from itertools import islice
from pathlib import Path

import pytest

from tests.golden.cases import GROUPS
from tests.golden.cases.case import Case
from tests.golden.stored import FOLDER, Report, differences, kept, load

MOST_SAID = 12
"""Differences that a failure shows."""
stored = cache(load)


@pytest.mark.parametrize(
    ("group", "case"),
    [pytest.param(group, case, id=f"{group}: {case.name}") for group, cases in GROUPS.items() for case in cases],
)
def test_report(group: str, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path / "cache"))
    expected: Report = stored(group)[case.name]
    received = kept(case.report(folder), folder)
    found = list(differences(expected, received))
    said = "\n".join(islice(found, MOST_SAID))
    assert not found, f"{len(found)} differences in {group}: {case.name}\n{said}"


def test_each_kept_report_has_its_case() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(GROUPS)
    for group, cases in GROUPS.items():
        assert list(stored(group)) == [case.name for case in cases]


def test_a_difference_is_said() -> None:
    old = {
        "rows": [{"path": "dense.1", "op": "dense", "phase": "forward", "counts": {"mul": 2, "add": 1}}],
        "complete": True,
    }
    new = {
        "rows": [{"path": "dense.1", "op": "dense", "phase": "forward", "counts": {"mul": 3}}],
        "complete": 1,
        "x": None,
    }
    assert list(differences(old, old)) == []
    assert list(differences(old, new)) == [
        "rows[0 dense.1 dense forward].counts.mul: expected 2, received 3",
        "rows[0 dense.1 dense forward].counts.add: expected 1, received nothing",
        "complete: expected true, received 1",
        "x: expected nothing, received null",
    ]
