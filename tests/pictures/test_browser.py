"""Pages with charts in a real browser: opened from disk, light and dark, without an error, a request or a script of a name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import nncost
from nncost.documents.pictures.theme import colours
from tests.pictures.subjects import CNN, MLP
from tests.pictures.test_hostile import hostile

pytest.importorskip("vl_convert")


@contextmanager
def opened(browser: Any, path: Path, scheme: str = "light", width: int = 900) -> Iterator[Any]:
    """A page opened from disk; nothing may go wrong or go out."""
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request", lambda request: wrong.append(request.url) if not request.url.startswith(("file:", "data:")) else None
    )
    page.on("dialog", lambda dialog: (wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.goto(path.as_uri())
    page.wait_for_load_state("networkidle")
    yield page
    assert wrong == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_a_still_page(browser: Any, tmp_path: Path, scheme: str, width: int) -> None:
    nncost.plot(CNN).save(tmp_path / "x.html")
    with opened(browser, tmp_path / "x.html", scheme, width) as page:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it fits a phone"
        fills = set(
            page.eval_on_selector_all(".picture svg path", "all => all.map(each => getComputedStyle(each).fill)")
        )
        assert rgb(colours(scheme)["backward"]) in fills
        assert page.locator(".picture svg").count() == 1


def rgb(colour: str) -> str:
    return f"rgb({int(colour[1:3], 16)}, {int(colour[3:5], 16)}, {int(colour[5:], 16)})"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_interactive_page(browser: Any, tmp_path: Path, scheme: str) -> None:
    nncost.plot(CNN, "memory").save(tmp_path / "x.html")
    with opened(browser, tmp_path / "x.html", scheme) as page:
        page.wait_for_selector(".vega-embed svg")
        box = page.locator(".vega-embed svg").bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.8)
        tip = page.locator("#vg-tooltip-element.visible")
        tip.wait_for()
        assert "bytes after it" in tip.inner_text()
        fills = page.eval_on_selector_all(".vega-embed svg path", "all => all.map(each => getComputedStyle(each).fill)")
        assert rgb(colours(scheme)["forward"]) in fills


def test_zooming(browser: Any, tmp_path: Path) -> None:
    nncost.plot(MLP, "roofline", on="h100").save(tmp_path / "x.html")
    with opened(browser, tmp_path / "x.html") as page:
        page.wait_for_selector(".vega-embed svg")
        before = page.locator(".vega-embed svg").inner_html()
        box = page.locator(".vega-embed svg").bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.wheel(0, -300)
        page.wait_for_timeout(300)
        assert page.locator(".vega-embed svg").inner_html() != before


@pytest.mark.parametrize("kind", ["layers", "memory", "roofline", "tree", "compare", "time"])
def test_hostile_names(browser: Any, tmp_path: Path, kind: str) -> None:
    hostile(kind).save(tmp_path / "x.html")
    with opened(browser, tmp_path / "x.html") as page:
        assert page.locator("img").count() == 0
        marks = page.locator(".picture svg path")
        for number in range(0, min(marks.count(), 60), 7):
            marks.nth(number).dispatch_event("mouseover")
            marks.nth(number).dispatch_event("pointermove")
        assert page.locator("img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_svg_follows_its_reader(browser: Any, tmp_path: Path, scheme: str) -> None:
    """By itself it follows the scheme; inside a page with the style sheet it takes the page's colours."""
    from nncost.documents import html
    from nncost.documents.pictures.svg import svg_file

    chart = nncost.plot(CNN)
    chart.save(tmp_path / "x.svg")
    with opened(browser, tmp_path / "x.svg", scheme) as page:
        fills = page.eval_on_selector_all("path", "all => all.map(each => getComputedStyle(each).fill)")
        assert rgb(colours(scheme)["forward"]) in fills
    inside = svg_file(chart).partition("\n")[2]
    own = "<style>.nncost { --nn-forward: #123456 !important; }</style>"
    (tmp_path / "page.html").write_text(html.page("page", f"{own}{inside}"), encoding="utf-8")
    with opened(browser, tmp_path / "page.html", scheme) as page:
        fills = page.eval_on_selector_all("svg path", "all => all.map(each => getComputedStyle(each).fill)")
        assert rgb("#123456") in fills
