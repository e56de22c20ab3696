"""axe-core finds nothing serious on the calculator, in both themes and at three widths, whatever it shows."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.browser.calculator.watched import Open
from tests.browser.conftest import violations

STATES = {
    "one": "",
    "compared": "#s=784-16-16-10&s=784-128:relu-64:relu-10:softmax&b=32&opt=adam&show=numbers",
    "faulty": "#s=784-16x-10&s=784-10",
    "layers": "#s=" + quote("3x32x32, conv 16 3 pad=1, relu, flatten, dense 10, softmax") + "&show=layers",
    "working": "#s=784-16-16-10&show=working&of=forward.mul",
    "charts": "#s=784-16-16-10&show=charts",
}


@pytest.mark.parametrize("state", STATES)
def test_nothing_serious(visited: Open, address: str, state: str) -> None:
    watched = visited(address + STATES[state], expects_faults=state == "faulty")
    if state == "working":
        watched.page.locator(".working math").first.wait_for()
    elif state in ("one", "charts"):
        watched.page.locator(".picture svg").wait_for()
    for summary in watched.page.locator("summary:visible").all()[:3]:
        summary.click()
    assert violations(watched.page, widths=(360, 800, 1600), themes=("light", "dark")) == []
