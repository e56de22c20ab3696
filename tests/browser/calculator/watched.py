"""A page of the calculator: what its console said of errors, whom it asked, and when it stands still."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from tests.browser.expect import PATIENCE


class Watched:
    """A page, what its console said of errors, and whom it asked."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", lambda dialog: (self.errors.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self.hosts.add(host_of(request.url)))

    def until(self, wanted: str | Callable[[], bool], patience: float = PATIENCE) -> None:
        """Wait until an expression of the page, or a function here, holds; the page's policy forbids ``eval`` inside."""
        end = time.monotonic() + patience
        while not (self.page.evaluate(wanted) if isinstance(wanted, str) else wanted()):
            assert time.monotonic() < end, wanted
            self.page.wait_for_timeout(30)

    def settled(self) -> None:
        """Wait until no network waits for an answer, and the page shows it."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self.until(
            "document.querySelectorAll('.card').length > 0 && document.querySelectorAll('.card[aria-busy=true]').length === 0"
        )


Open = Callable[..., Watched]


def host_of(url: str) -> str:
    """Scheme, host and port; of a blob those of the page that made it."""
    return re.sub(r"^(?:blob:)?(\w+://[^/]*).*", r"\1", url)
