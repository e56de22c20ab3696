"""What a page is to show: waited for, since a page shows most things a moment after it is asked for them."""

from __future__ import annotations

from typing import Any

PATIENCE = 60.0
"""Seconds a test waits for what a page is to show, on a busy machine."""


def expect(locator: Any) -> Any:
    """Playwright's assertions on a locator, which wait until they hold."""
    from playwright.sync_api import expect as expected

    expected.set_options(timeout=PATIENCE * 1000)
    return expected(locator)
