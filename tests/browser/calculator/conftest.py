"""The real server in a process of its own, and pages of the calculator in the browser."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.calculator.watched import Open, Watched, host_of
from tests.browser.expect import PATIENCE


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Where ``nncost web`` listens."""
    pytest.importorskip("fastapi", reason="the server is of the extra web")
    command = [sys.executable, "-m", "nncost", "web", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as serving:
        assert serving.stderr is not None
        found = re.search(r"http://[\d.:]+/", serving.stderr.readline())
        assert found is not None
        yield found[0]
        has_ended = serving.poll()
        serving.terminate()
        _, said = serving.communicate(timeout=PATIENCE)
        assert has_ended is None, f"the server ended by itself with {has_ended}: {said[-2000:]}"


@pytest.fixture
def visited(browser: Any) -> Iterator[Open]:
    """Open a page in a context of its own; afterwards it must have asked nobody else, and its console be silent.

    A browser calls an answer that is no 2xx an error, which a fault in a spec has.
    """
    contexts, pages = [], []

    def visit(
        url: str, *, width: int = 1280, theme: str = "light", expects_faults: bool = False, **more: Any
    ) -> Watched:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, **more)
        context.set_default_timeout(PATIENCE * 1000)
        contexts.append(context)
        watched = Watched(context.new_page())
        pages.append((watched, url, expects_faults))
        watched.page.goto(url)
        watched.settled()
        return watched

    yield visit
    for watched, url, expects_faults in pages:
        assert watched.hosts <= {host_of(url)}
        assert [e for e in watched.errors if not (expects_faults and "status of 4" in e)] == []
    for context in contexts:
        context.close()
