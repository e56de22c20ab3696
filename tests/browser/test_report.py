"""Report pages in a browser, from disk: no error, no request, the report's totals, and every control by keyboard."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nncost
from tests.browser.conftest import violations
from tests.browser.expect import expect
from tests.report_page.networks import GPT, HOSTILE, RESNET, deep_file, hostile_file

Opened = Callable[..., Any]
TREE = ".layer-tree"
SMALL = ("784-16-16-10", "5-3:softmax")


def written(folder: Path, *sources: Any, **options: Any) -> str:
    path = folder / "report.html"
    nncost.write_report(path, *sources, **options)
    return path.as_uri()


def shown_rows(page: Any) -> list[list[str]]:
    rows: list[list[str]] = page.evaluate(
        "[...document.querySelectorAll('.rows tbody tr[data-number]')].map((row) => [...row.children].map((cell) => cell.textContent))"
    )
    return rows


@pytest.mark.parametrize("source", [RESNET, GPT, "784-h*L-10"])
def test_it_opens_from_disk_with_the_totals_of_the_report(source: Any, opened: Opened, tmp_path: Path) -> None:
    report = nncost.count(source)
    page = opened(written(tmp_path, source))
    told = json.loads(page.locator("#report-1").text_content())
    assert told["totals"] == json.loads(json.dumps(report.to_dict()["totals"]))
    total = page.locator(".rows tfoot tr").inner_text().split()
    expect(page.locator("h1")).to_have_text(str(source) if isinstance(source, str) else source.name)
    if isinstance(report.parameters.total, int):
        assert f"{report.forward.mul:,}" in total
        expect(page.locator(".tiles dd").first).to_have_text(f"{report.parameters.total:,}")


def test_the_numbers_are_downloaded(opened: Opened, tmp_path: Path) -> None:
    page = opened(written(tmp_path, GPT))
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert json.loads(Path(download.value.path()).read_text()) == json.loads(json.dumps(nncost.count(GPT).to_dict()))


def test_names_are_never_markup(opened: Opened, tmp_path: Path) -> None:
    page = opened(written(tmp_path, hostile_file(tmp_path), "784-16-10"))
    expect(page.locator("img")).to_have_count(0)
    expect(page.locator("main")).to_contain_text(HOSTILE)
    expect(page.locator(".warning").first).to_have_text(re.compile("^INCOMPLETE: 1 unknown operation"))
    page.get_by_role("searchbox").first.fill(HOSTILE)
    assert any(HOSTILE in row[0] for row in shown_rows(page))


def test_searching_sorting_folding(opened: Opened, tmp_path: Path) -> None:
    page = opened(written(tmp_path, GPT))
    names = [row[0].lstrip("▾▸") for row in shown_rows(page)]
    assert names[:3] == ["embedding.1", "repeat.1", "residual.1 ×6"]
    page.get_by_role("button", name="Close all").click()
    assert [row[0].lstrip("▾▸") for row in shown_rows(page)] == [
        "embedding.1",
        "repeat.1",
        "layernorm.1",
        "dense.1",
        "loss",
    ]
    page.get_by_role("button", name="weights").click()
    expect(page.get_by_role("columnheader", name="weights")).to_have_attribute("aria-sort", "descending")
    assert next(row[0].lstrip("▾▸") for row in shown_rows(page)) == "repeat.1"
    page.get_by_role("searchbox").fill("attention.1.query")
    assert [row[0].lstrip("▾▸") for row in shown_rows(page)] == [
        "repeat.1",
        "residual.1 ×6",
        "attention.1 ×6",
        "query ×6",
    ]
    expect(page.get_by_role("status")).to_have_text("1 of 17 found")
    page.get_by_role("searchbox").fill("")
    page.get_by_label("one list").check()
    weights = [row[3].replace(",", "") or "0" for row in shown_rows(page)]
    assert sorted(map(int, weights), reverse=True) == list(map(int, weights))


def test_every_control_by_keyboard(opened: Opened, tmp_path: Path) -> None:
    page = opened(written(tmp_path, GPT))
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.outerHTML.slice(0, 60)"))
    wanted = ('<a href="#totals', '<button type="button" class="download"', '<input type="search"', '<button type="button">Open all', '<input type="checkbox"', '<tr aria-rowindex="1"', "<summary")  # fmt: skip
    for start in wanted:
        assert any(found.startswith(start) for found in reached), start
    page.locator(".rows tbody tr").first.focus()
    for key, name in (("ArrowDown", "repeat.1"), ("ArrowRight", "residual.1 ×6"), ("ArrowLeft", "residual.1 ×6"), ("ArrowLeft", "repeat.1"), ("End", "loss"), ("Home", "embedding.1")):  # fmt: skip
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.querySelector('th').textContent").lstrip("▾▸") == name
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "false"


def test_nothing_serious_is_wrong_for_a_screen_reader(opened: Opened, tmp_path: Path) -> None:
    page = opened(written(tmp_path, *SMALL, on="h100"))
    assert violations(page, widths=(360, 800, 1600), themes=("light", "dark")) == []


def test_it_fits_every_width(opened: Opened, tmp_path: Path) -> None:
    page = opened(written(tmp_path, GPT, "784-16-16-10", on="h100"))
    for width in (320, 360, 800, 1600):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width


def test_ten_thousand_layers_are_as_few_elements_as_ten(opened: Opened, tmp_path: Path) -> None:
    page = opened(written(tmp_path, deep_file(tmp_path, 10_000)))
    page.get_by_role("button", name="Open all").click()
    expect(page.get_by_role("status")).to_have_text("11,000 rows")
    assert len(shown_rows(page)) < 80
    page.locator(".rows").evaluate("(rows) => { rows.scrollTop = rows.scrollHeight; }")
    page.wait_for_function("document.querySelector('.rows tbody').textContent.includes('layer9')")
    assert shown_rows(page)[-1][0] == "layer9"
    assert len(shown_rows(page)) < 80
    page.get_by_role("searchbox").fill("blocks.777.layer3")
    assert [row[0].lstrip("▾▸") for row in shown_rows(page)] == ["blocks.777", "layer3"]


def test_it_prints_on_a4(opened: Opened, tmp_path: Path) -> None:
    page = opened(written(tmp_path, "784-16-16-10"))
    page.emulate_media(media="print")
    expect(page.locator("nav")).to_be_hidden()
    assert len(page.pdf(format="A4")) > 10_000


def test_without_scripts_the_table_is_there(opened: Opened, tmp_path: Path) -> None:
    page = opened(written(tmp_path, "784-16-16-10"), java_script_enabled=False)
    assert "12,576" in page.locator("main").inner_text()
