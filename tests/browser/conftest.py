"""A real browser: pages are opened in it, and nothing may go wrong while they are."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.browser.expect import expect

NPM = Path(__file__).resolve().parents[2] / ".venv" / "npm" / "node_modules"
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
)  # fmt: skip
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser for the tests of one file: its loop must not run on where other files run loops of their own."""
    path = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no chromium is installed: apt-get install chromium")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=path, args=list(_QUIET))
        yield opened
        opened.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """A function that opens an address; at the end no page may have logged an error or asked another host for anything."""
    faults: list[str] = []
    contexts: list[Any] = []

    def open_page(address: str, *, width: int = 1200, height: int = 900, dark: bool = False, **options: Any) -> Any:
        scheme = "dark" if dark else "light"
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **options)
        contexts.append(context)
        page, own = context.new_page(), urlsplit(address).netloc
        page.on("console", lambda said: faults.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda asked: _is_own(asked.url, own) or faults.append(f"asked for {asked.url}"))
        page.goto(address)
        return page

    open_page.faults = faults  # type: ignore[attr-defined]
    yield open_page
    for context in contexts:
        context.close()
    assert not faults


def _is_own(address: str, host: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme in ("data", "blob") or parts.netloc == host


def violations(page: Any, *, widths: Sequence[int] = (), themes: Sequence[str] = ()) -> list[str]:
    """What axe-core finds that is serious, in each theme at each width: a line per rule with the first element."""
    script = NPM / "axe-core" / "axe.min.js"
    if not script.exists():
        pytest.skip(f"axe-core is not installed: npm install --prefix {NPM.parent} axe-core")
    page.evaluate(script.read_text(encoding="utf-8"))
    found = []
    for theme in themes or (None,):
        page.emulate_media(color_scheme=theme)
        for width in widths or (page.viewport_size["width"],):
            page.set_viewport_size({**page.viewport_size, "width": width})
            page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            expect(page.locator("[aria-busy=true], .waiting")).to_have_count(0)
            seen = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then((found) => found.violations)")
            serious = [each for each in seen if each["impact"] in SERIOUS]
            found += [f"{theme}, {width}: {each['id']}: {each['nodes'][0]['html'][:200]}" for each in serious]
    return found
