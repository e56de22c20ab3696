"""Durations that a user writes, and what is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncost.errors import OptionError
from nncost.pipeline.duration import MOST_SECONDS, duration
from tests.trials import trials


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("5", 5), ("5s", 5), ("0", 0), ("500ms", 0.5), ("2min", 120), (" 1.5 min ", 90), ("1h", 3600), (".5s", 0.5),
        ("2 SECONDS", 2), ("1m", 60), ("24h", 86_400), (3, 3), (0.25, 0.25), (0, 0),
    ],
)  # fmt: skip
def test_durations(written: Any, seconds: float) -> None:
    assert duration("--budget", written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written",
    [
        "", " ", "s", "-1", "1e3", "inf", "nan", "5 apples", "1:30", "25h", "1 2", "٣", "9" * 4000, "5s\n5s", True, None,
        -1, -0.1, 86_401, float("nan"), float("inf"), 10**400, [5], b"5",
    ],
)  # fmt: skip
def test_what_is_no_duration(written: Any) -> None:
    with pytest.raises(OptionError, match="--budget is a time from 0 to a day") as raised:
        duration("--budget", written)
    assert len(str(raised.value)) < 200


@settings(max_examples=trials(300))
@given(st.one_of(st.text(max_size=20), st.floats(), st.integers(), st.from_regex(r"\d{0,12}\.?\d{0,12} ?[a-z]{0,4}")))
def test_any_text_is_a_duration_or_refused(written: Any) -> None:
    try:
        seconds = duration("budget", written)
    except OptionError:
        return
    assert 0 <= seconds <= MOST_SECONDS


@settings(max_examples=trials(50))
@given(st.integers(0, 86_400), st.sampled_from(["", "s", "sec", "second", "seconds"]))
def test_seconds_are_seconds(number: int, unit: str) -> None:
    assert duration("budget", f"{number}{unit}") == duration("budget", number) == number
