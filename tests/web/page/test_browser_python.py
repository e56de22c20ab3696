"""The browser's Python end, without a browser: JSON in, JSON out, and packages that come when they are imported."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
import zipfile
from pathlib import Path

import pytest

import nncost
from nncost.web import browser


def test_answers_and_faults_are_json() -> None:
    assert json.loads(browser.answered("count", '{"source": "784-16-16-10"}'))["parameters"]["total"] == 13_002
    fault = json.loads(browser.answered("count", '{"source": "784-16x-10"}'))["error"]
    assert (fault["code"], fault["position"]) == ("spec", 4)
    assert json.loads(browser.answered("nothing", "{}"))["error"]["code"] == "option"


def test_our_own_faults_do_not_end_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    for error, code in ((MemoryError(), "limit"), (RuntimeError("<b>"), "error")):

        def fails(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(browser, "answer", fails)
        assert json.loads(browser.answered("count", "{}"))["error"]["code"] == code


class Bytes:
    """What JavaScript hands over."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def to_bytes(self) -> bytes:
        return self.content


def test_packages_are_fetched_once_they_are_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writing:
        writing.writestr("later_needed/__init__.py", "answer = 42\n")
    fetched: list[str] = []

    def fetch(name: str) -> Bytes:
        fetched.append(name)
        return Bytes(archive.getvalue())

    (tmp_path / "nncost").mkdir()
    monkeypatch.setattr(nncost, "__file__", str(tmp_path / "nncost" / "__init__.py"))
    monkeypatch.setattr(browser, "ARCHIVES", {"later_needed": "later.zip"})
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, browser.Fetching(fetch)])
    assert importlib.util.find_spec("never_needed") is None
    assert fetched == []
    assert importlib.import_module("later_needed").answer == 42
    assert importlib.import_module("later_needed").answer == 42
    assert fetched == ["later.zip"]
    del sys.modules["later_needed"]
