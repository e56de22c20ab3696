"""What the page shows belongs to the network that it shows now: no answer to an earlier spec, setting or device stays."""

from __future__ import annotations

import pytest

from tests.browser.calculator.watched import Open, Watched

TIME = ".headline.time"
FAULTY = "784-128:rleu-10"


def written(watched: Watched, text: str) -> None:
    watched.page.locator(".spec").fill(text)
    watched.settled()


def test_no_time_of_an_earlier_spec(visited: Open, address: str) -> None:
    watched = visited(address, expects_faults=True)
    time = watched.page.locator(TIME)
    watched.until("/\\d/.test(document.querySelector('.seconds').textContent)")
    written(watched, "784-0-10")
    first = watched.page.locator(".fault").text_content()
    assert time.locator(".seconds").text_content() == "–"
    assert "once the spec can be read" in time.text_content()
    written(watched, FAULTY)
    assert "unknown activation" in watched.page.locator(".fault").text_content() != first
    assert "once the spec can be read" in time.text_content()
    assert watched.page.locator("button[data-path='parameters.total']").text_content() == "–"
    written(watched, "784-128:relu-10")
    watched.until("/\\d/.test(document.querySelector('.seconds').textContent)")
    assert watched.page.locator("button[data-path='parameters.total']").text_content() == "101,770"


def test_no_fault_of_an_earlier_spec_while_one_is_typed(visited: Open, address: str) -> None:
    watched = visited(address, expects_faults=True)
    written(watched, FAULTY)
    watched.page.locator(".spec").fill("784-128:relu-10")
    watched.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert not watched.page.locator(".fault-message").is_visible()
    watched.settled()
    assert watched.page.locator(".fault-message").count() == 0


@pytest.mark.parametrize(
    ("link", "flops", "time"),
    [
        ("#s=784-16-10", "Flops in a step", "Time of a step on "),
        ("#s=784-16-10&loss=none", "Flops in the forward pass", "Time of the forward pass on "),
        (f"#s={FAULTY}", "Flops in a step", "Time of a step on "),
    ],
)
def test_a_step_is_called_a_step(visited: Open, address: str, link: str, flops: str, time: str) -> None:
    watched = visited(address + link, expects_faults=True)
    labels = watched.page.locator(".headline dt").all_text_contents()
    assert flops in labels
    assert labels[-1].startswith(time)
