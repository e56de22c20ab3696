"""What the page shows belongs to the network that it shows now: no answer to an earlier spec, setting or device stays."""

from __future__ import annotations

import pytest

from tests.browser.calculator.watched import Open, Watched
from tests.browser.expect import expect

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
    fault = watched.page.locator(".fault")
    first = fault.text_content()
    expect(time.locator(".seconds")).to_have_text("–")
    expect(time).to_contain_text("once the spec can be read")
    written(watched, FAULTY)
    expect(fault).to_contain_text("unknown activation")
    expect(fault).not_to_have_text(first)
    expect(time).to_contain_text("once the spec can be read")
    expect(watched.page.locator("button[data-path='parameters.total']")).to_have_text("–")
    written(watched, "784-128:relu-10")
    watched.until("/\\d/.test(document.querySelector('.seconds').textContent)")
    expect(watched.page.locator("button[data-path='parameters.total']")).to_have_text("101,770")


def test_no_fault_of_an_earlier_spec_while_one_is_typed(visited: Open, address: str) -> None:
    watched = visited(address, expects_faults=True)
    written(watched, FAULTY)
    watched.page.locator(".spec").fill("784-128:relu-10")
    watched.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert not watched.page.locator(".fault-message").is_visible()
    watched.settled()
    expect(watched.page.locator(".fault-message")).to_have_count(0)


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
