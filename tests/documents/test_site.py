"""The documentation site is built without a warning, is complete, asks no other host for anything, and is searched from disk."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import click
import pytest

import nncost
from nncost.cli.main import LazyGroup
from tests.browser.conftest import violations

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "docs" / "site"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("material", reason="mkdocs-material is not installed: make .venv/docs")
    pytest.importorskip("mkdocstrings_handlers.python", reason="mkdocstrings-python is not installed: make .venv/docs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


class Addresses(HTMLParser):
    """The ids of a page, what it loads, and where its links lead."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids.add(given.get("id") or "")
        self.loads += [given[name] or "" for name in ("src", "data", "poster") if name in given]
        if "href" in given:
            (self.loads if tag == "link" else self.links).append(given["href"] or "")

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[Path, Addresses]:
    return {page: Addresses(page) for page in site.rglob("*.html") if page.name != "404.html"}


def test_nothing_is_loaded_from_other_hosts(site: Path, pages: dict[Path, Addresses]) -> None:
    loaded = {address for page in pages.values() for address in page.loads}
    assert len(loaded) > 10
    assert not [address for address in loaded if re.match(r"[a-z]+:|//", address) and not address.startswith("data:")]
    for sheet in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import\s*)[\"']?(?:https?:)?//", sheet.read_text("utf-8")), sheet.name


def test_links_lead_to_pages_and_places(site: Path, pages: dict[Path, Addresses]) -> None:
    for page, said in pages.items():
        for link in (*said.links, *said.loads):
            path, _, place = unquote(link).partition("#")
            if re.match(r"[a-z]+:", path):
                continue
            target = page if not path else (page.parent / path).resolve()
            assert target.is_file(), f"{page.name}: {link}"
            if place and target in pages and not place.startswith("__"):
                assert place in pages[target].ids, f"{page.name}: {link}"


def test_every_command_has_its_page_with_every_option(pages: dict[Path, Addresses], site: Path) -> None:
    for name in LazyGroup.names():
        words = " ".join(pages[site / "commands" / f"{name}.html"].words)
        shown = [each for each in LazyGroup.named(name).params if isinstance(each, click.Option) and not each.hidden]
        for option in shown:
            assert option.opts[-1] in words, f"{name} {option.opts}"


def test_every_public_name_has_its_place(pages: dict[Path, Addresses]) -> None:
    places = {place for page in pages.values() for place in page.ids}
    assert {f"nncost.{name}" for name in nncost.__all__} <= places


def test_every_document_is_a_page(site: Path) -> None:
    for document in (ROOT / "docs").glob("*.md"):
        assert (site / f"{document.stem}.html").is_file()


def test_search_works_from_disk(site: Path, opened: Callable[..., Any]) -> None:
    page = opened((site / "index.html").as_uri(), offline=True)
    page.keyboard.press("/")
    page.keyboard.type("what does the backward pass cost")
    page.wait_for_selector('.md-search-result__item a[href*="tutorial.html"]')


@pytest.mark.parametrize("dark", [False, True])
def test_pictures_are_as_light_or_dark_as_the_page(site: Path, opened: Callable[..., Any], dark: bool) -> None:
    """Also where the page was switched to the other scheme than the system's."""
    page = opened((site / "index.html").as_uri(), dark=not dark)
    scheme = "slate" if dark else "default"
    while page.evaluate("document.body.dataset.mdColorScheme") != scheme:
        page.locator("label[for^=__palette]:visible").first.click()
    picture = page.locator("article img").first
    assert picture.evaluate("(image) => image.complete && image.naturalWidth > 0")
    assert picture.evaluate("(image) => getComputedStyle(image).colorScheme") == ("dark" if dark else "light")


@pytest.mark.parametrize("name", ["index", "tutorial", "commands/plot", "python/report"])
def test_pages_are_accessible(name: str, site: Path, opened: Any) -> None:
    page = opened((site / f"{name}.html").as_uri())
    page.wait_for_timeout(300)
    assert not opened.faults
    assert violations(page, themes=("light", "dark")) == []
    page.close()
    opened.faults.clear()  # axe asks for style sheets once more, which a page from disk may not


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(SITE))
    import links

    yield links
    sys.modules.pop("links", None)


@pytest.mark.parametrize(
    ("page", "text", "expected"),
    [
        ("a.md", "[b](b.md#c)", "[b](b.md#c)"),
        ("a.md", "[b](../CONTRIBUTING.md)", "[b](contributing.md)"),
        ("a.md", "[b](../tests/x)", "b (`tests/x`)"),
        ("a.md", "[`x.py`](../tests/x.py)", "`x.py`"),
        ("contributing.md", "[b](docs/b.md)", "[b](b.md)"),
        ("index.md", "![b](../pictures/b.svg)", "![b](pictures/b.svg)"),
        ("a.md", "[b](https://b.example/c)", "[b](https://b.example/c)"),
        ("a.md", "```sh\n[b](../tests/x)\n```", "```sh\n[b](../tests/x)\n```"),
    ],
)
def test_links_of_the_checkout_become_those_of_the_site(page: str, text: str, expected: str, links: Any) -> None:
    places = {"index.md": "docs/site/home.md", "contributing.md": "CONTRIBUTING.md"}
    assert links.on_the_site(text, page, places) == expected
