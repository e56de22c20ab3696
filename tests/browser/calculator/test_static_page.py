"""The calculator without a server of its own: a folder, ``python -m http.server``, and Python in the browser."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nncost
from nncost.web.static import write
from tests.browser.calculator.test_calculator_page import check, field, shown, spec
from tests.browser.calculator.watched import Open
from tests.browser.conftest import NPM
from tests.browser.expect import expect

pytest.importorskip("vl_convert", reason="the script of charts is of the package vl-convert-python")


def pyodide() -> Path:
    """The npm package in the environment."""
    found = NPM / "pyodide"
    if not found.is_dir():
        pytest.skip(f"pyodide is not installed: npm install --prefix {NPM.parent} pyodide")
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("static") / "site"
    write(place, pyodide())
    return place


class Served:
    """A plain web server on a folder, which can be stopped while pages are open."""

    def __init__(self, folder: Path) -> None:
        program = (
            "import functools, http.server as h; "
            "s = h.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(h.SimpleHTTPRequestHandler, directory=__import__('sys').argv[1])); "
            "print(s.server_address[1], flush=True); s.serve_forever()"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}/"

    def stop(self) -> None:
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def served(folder: Path) -> Iterator[Served]:
    serving = Served(folder)
    yield serving
    serving.stop()


def test_presets_can_be_dragged_before_python_is_there(visited: Open, served: Served) -> None:
    watched = visited(served.url)
    assert shown(watched)["parameters.total"] == 13_002
    expect(watched.page.locator("#python")).to_have_text(re.compile("Python is (starting|ready)"))
    watched.page.get_by_role("button", name="LeNet-5").click()
    watched.settled()
    assert shown(watched)["parameters.total"] == nncost.count(spec(watched).input_value()).parameters.total


def test_python_answers_in_the_browser_and_without_a_network(visited: Open, served: Served) -> None:
    watched = visited(served.url)
    watched.until("document.getElementById('python').hidden", 120)
    spec(watched).fill("784-33:relu-17-10")
    check(watched)
    watched.until("/µs|ms/.test(document.querySelector('.seconds').textContent)", 120)
    watched.until("document.querySelector('.fit').textContent.includes('estimated')")
    field(watched, "batch").fill("64")
    field(watched, "hidden width 1").fill("50")
    check(watched, batch=64)
    watched.page.locator(".card button[data-path='forward.mul']").click()
    watched.page.locator(".working math").first.wait_for()
    watched.page.get_by_role("tab", name="Drawing").click()
    watched.page.locator(".picture svg").wait_for()
    watched.page.get_by_role("tab", name="Charts").click()
    watched.page.locator(".picture svg").wait_for()
    watched.until("navigator.serviceWorker.controller !== null", 120)
    spec(watched).fill("784-128:relo-10")
    watched.page.get_by_role("button", name="784-128:relu-10").click()
    check(watched, batch=64)
    # Without a network: what was loaded stays.
    served.stop()
    watched.page.reload()
    watched.settled()
    watched.until("document.getElementById('python').hidden", 120)
    spec(watched).fill("100-41:tanh-3")
    check(watched, batch=64)
    watched.until("/µs|ms/.test(document.querySelector('.seconds').textContent)", 120)


def test_what_the_page_says_about_files(visited: Open, served: Served) -> None:
    watched = visited(served.url)
    expect(watched.page.locator("#presets")).to_contain_text("are read by")
    expect(watched.page.locator("#file")).to_have_count(0)
