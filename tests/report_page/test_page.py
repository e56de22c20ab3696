"""The page of a report: its numbers are the report's, whatever a name says stays text, and it needs nothing from anywhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nncost
from nncost.cli.main import run
from nncost.dims import add_all
from nncost.errors import OptionError
from nncost.pipeline.keywords import settings_of
from nncost.views.report_page.gather import gather
from nncost.views.report_page.layer_tree import layer_tree
from tests.report_page.networks import GPT, HOSTILE, RESNET, hostile_file

MEGABYTE = 10**6


class Parts(HTMLParser):
    """The elements of a page with their attributes, the content of its scripts by their ids, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text = ""
        self._in = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in = tag if tag in ("script", "style") else ""
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if not self._in:
            self.text += data
        elif self._in == "script":
            attributes, before = self.scripts[-1]
            self.scripts[-1] = attributes, before + data


def page_of(folder: Path, *sources: Any, **options: Any) -> str:
    path = folder / "report.html"
    nncost.write_report(path, *sources, **options)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("source", ["784-16-16-10", GPT, RESNET, "784-h*L-10"])
def test_its_numbers_are_the_reports(source: Any, tmp_path: Path) -> None:
    report = nncost.count(source)
    parts = Parts(page_of(tmp_path, source))
    contents = {attributes.get("id"): content for attributes, content in parts.scripts}
    assert json.loads(contents["report-1"]) == json.loads(json.dumps(report.to_dict()))
    trees = [json.loads(content) for attributes, content in parts.scripts if content.startswith('{"groups"')]
    assert trees == [json.loads(json.dumps(layer_tree(report).to_dict()))]
    assert [row[0] for row in trees[0]["rows"]].count(0) > 0
    if isinstance(report.parameters.total, int):
        assert f"{report.parameters.total:,}" in parts.text
        assert f"{report.step.flops:,}" in parts.text


def test_what_applies_to_some_sources_is_left_out_for_the_others(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "net.py").write_text("import torch\ndef build():\n    return torch.nn.Conv2d(3, 4, 3)\n")
    module = f"{tmp_path / 'net.py'}:build"
    spec, other = gather(["784-16-10", module], settings_of((2, 3, 9, 9), activation="relu"))
    assert spec.report.to_dict() == nncost.count("784-16-10", activation="relu").to_dict()
    assert other.report.to_dict() == nncost.count(module, (2, 3, 9, 9)).to_dict()
    with pytest.raises(OptionError, match="--input does not apply"):
        gather(["784-16-10", "3-4"], settings_of((1, 3)))


@pytest.mark.parametrize("name", ["x.pdf", "x.json"])
def test_a_name_that_is_no_pages(name: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="a page of HTML"):
        nncost.write_report(tmp_path / name, "784-10")
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_is_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(hostile_file(tmp_path)), "784-10", "-o", str(tmp_path / "r.html")]) == 3
    assert "INCOMPLETE: 1 unknown operation" in capsys.readouterr().err


def test_a_convention_names_flops_and_changes_no_seconds(tmp_path: Path) -> None:
    (prediction,) = (
        network.prediction for network in gather(["784-16-16-10"], settings_of(convention="torch"), "h100")
    )
    assert prediction is not None
    assert prediction.seconds == nncost.predict("784-16-16-10", on="h100").seconds
    page = page_of(tmp_path, "784-16-16-10", on="h100", convention="torch")
    assert f"{nncost.count('784-16-16-10', convention='torch').step.flops:,}" in page


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=8), st.integers(1, 9))
def test_modules_hold_the_sums_of_what_is_inside(widths: list[int], batch: int) -> None:
    report = nncost.count("-".join(map(str, widths)), batch=batch)
    assert_sums(report)


@pytest.mark.parametrize("source", [GPT, RESNET, "16x8, lstm 8 layers=2, dense 2", "3x8x8, residual[conv 3 3x3 pad=1, [relu, conv 3 1x1]*3], flatten, dense h"])  # fmt: skip
def test_trees_of_other_networks(source: Any) -> None:
    assert_sums(nncost.count(source, loss="cross_entropy", optimizer="adam"))


def assert_sums(report: nncost.Report) -> None:
    """The amounts of the rows at the top are the totals, and those of a module are at least those of each part."""
    tree = layer_tree(report)
    for number, (group, title) in enumerate(zip(tree.groups, tree.titles, strict=True)):
        column = add_all(amounts[number] for level, *_, amounts in tree.rows if level == 0)
        assert column == tree.total[number]
        if group == "parameters":
            assert column == getattr(report.parameters, title)
        elif group in report.totals and title in ("mul", "add"):
            assert column == report.totals[group][title]
    for place, (level, _, _, _, _, amounts) in enumerate(tree.rows):
        inside = 0
        for other, *_ignored, parts in tree.rows[place + 1 :]:
            if other <= level:
                break
            inside = add_all([inside, parts[0]]) if other == level + 1 else inside
        if isinstance(amounts[0], int) and isinstance(inside, int):
            assert inside <= amounts[0]


def test_names_stay_text(tmp_path: Path) -> None:
    path = hostile_file(tmp_path)
    page = page_of(tmp_path, path, "784-16-16-10")
    parts = Parts(page)
    assert "img" not in {tag for tag, _ in parts.elements}
    assert not any(name.startswith("on") for _, attributes in parts.elements for name in attributes)
    assert HOSTILE in parts.text
    assert "INCOMPLETE" in parts.text
    (own,) = (content for attributes, content in parts.scripts if not attributes)
    assert HOSTILE not in own


def test_it_asks_for_nothing(tmp_path: Path) -> None:
    page = page_of(tmp_path, RESNET, on="h100", loss="cross_entropy", optimizer="adam")
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert "@import" not in page
    assert len(page.encode()) < MEGABYTE


def test_what_is_not_drawn_is_said(tmp_path: Path) -> None:
    text = Parts(page_of(tmp_path, "784-h-10")).text
    assert "The picture layers is not here: a chart needs numbers; these sizes have none: h." in text


def test_incomplete_is_said_and_is_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, output = str(hostile_file(tmp_path)), tmp_path / "r.html"
    assert run(["report", path, "-o", str(output)]) == 3
    assert run(["report", path, "-o", str(output), "--allow-unknown"]) == 0
    assert "wrote" in capsys.readouterr().err
    assert 'class="warning"' in output.read_text(encoding="utf-8")


def test_bad_files_leave_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "r.html"
    output.write_text("before")
    assert run(["report", "784-", "-o", str(output)]) == 2
    assert run(["report", "784-10", "-o", str(tmp_path / "none" / "r.html")]) == 2
    assert "cannot write" in capsys.readouterr().err
    assert run(["report", "784-10", "-o", str(tmp_path / "r.pdf")]) == 2
    assert "Try: nncost report 784-10 -o r.html" in capsys.readouterr().err
    assert output.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
    with pytest.raises(OptionError, match="needs a source"):
        nncost.write_report(output)


def test_it_goes_to_a_pipe() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nncost", "report", "3-2"], capture_output=True, timeout=60, check=True
    )
    assert done.stdout.startswith(b"<!doctype html>")
    assert done.stderr == b""


def test_a_checkpoint_and_a_network_on_one_page(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    numpy.savez(tmp_path / "net.npz", **{"1.weight": numpy.zeros((16, 784), "f4")})
    text = Parts(page_of(tmp_path, tmp_path / "net.npz", "784-16-10")).text
    assert "12,544" in text
    assert "Stored parameters" in text


def test_seconds_are_those_of_the_device_or_say_why_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path / "cache"))
    assert "a step on h100" in Parts(page_of(tmp_path, "784-16-10", on="h100")).text
    assert "Seconds are not on this page" in Parts(page_of(tmp_path, "784-16-10")).text
