"""Steps in a row in a time that only they advance, and what is said of how steady they were."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncost.timing.measure import series
from nncost.timing.measure.noise import Noise, noise_of
from nncost.timing.measure.series import Limits, Series, run_series
from nncost.timing.measure.step import MEDIAN, StepSeconds, at_rank, ranked
from nncost.timing.rehearsal.outcome import Ran
from nncost.timing.rehearsal.shares import seconds_of
from tests.trials import trials


class Machine:
    """Steps and reference work that take what they are told to."""

    def __init__(self, step: float, reference: float = 0.0) -> None:
        self.now, self.steps = 0.0, 0
        self._step, self._reference = step, reference

    def perf_counter(self) -> float:
        """The time now."""
        return self.now

    def step(self) -> StepSeconds:
        """A step."""
        self.now += self._step
        self.steps += 1
        return StepSeconds(self._step)

    def seconds(self) -> float:
        """Reference work."""
        self.now += self._reference
        return self._reference


def ran(machine: Machine, limits: Limits, monkeypatch: pytest.MonkeyPatch) -> Series:
    """A series on a machine."""
    monkeypatch.setattr(series, "time", SimpleNamespace(perf_counter=machine.perf_counter))
    monkeypatch.setattr(series, "Reference", lambda: machine)
    return run_series(machine.step, limits)


LIMITS = Limits(warm_up=3, fewest=7, most=300, seconds=1.0)


@pytest.mark.parametrize(
    ("step", "steps"),
    [(0.5, 7), (0.125, 8), (0.25, 7), (2.0**-10, 300), (0.0, 300)],
)
def test_as_many_steps_as_asked_for(step: float, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(ran(Machine(step), LIMITS, monkeypatch).steps) == steps


@settings(max_examples=trials(200))
@given(
    st.floats(0.001, 100), st.floats(0, 100), st.integers(1, 3), st.integers(1, 9), st.integers(9, 50), st.floats(0, 0.01)
)  # fmt: skip
def test_a_budget_is_kept(step: float, budget: float, warm_up: int, fewest: int, most: int, reference: float) -> None:
    """But for the first step, which nobody knew, and the last that was begun with its reference work."""
    machine = Machine(step, reference)
    with pytest.MonkeyPatch.context() as patch:
        found = ran(machine, Limits(warm_up, fewest, most, 1.0, budget), patch)
    assert len(found.steps) <= most
    assert found.elapsed == pytest.approx(machine.now)
    assert found.elapsed <= max(budget, step) + step + 4 * reference + 1e-9


def test_the_step_behind_reference_work_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(2.0**-6)
    found = ran(machine, Limits(2, 1, 20, 20 * 2.0**-6), monkeypatch)
    assert len(found.steps) == 20
    assert machine.steps == 2 + 20 + 2
    assert len(found.references) == 2 + 2


def test_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, told = Machine(0.5), list[tuple[str, int, int]]()
    monkeypatch.setattr(series, "Reference", lambda: machine)
    run_series(machine.step, Limits(1, 2, 2, 0.0), lambda *progress: told.append(progress))
    assert told == [("warming up", 0, 1), ("running steps", 1, 2), ("running steps", 2, 2)]


# ------------------------------------------------------------------- noise
@pytest.mark.parametrize(
    ("steps", "references", "noise"),
    [
        ([], [], Noise(None, None)),
        ([1.0], [1.0], Noise(None, 0.0)),
        ([1.0, 2.0], [1.0, 1.5], Noise(0.5, 0.5)),
        ([2.0, 2.0, 1.0, 1.0], [1.0, 1.0, 1.0, 9.0], Noise(1.0, 0.0)),
        ([1.0, 7.0, 1.0], [4.0, 1.0, 3.0, 2.0, 5.0], Noise(6 / 7, 1.0)),
    ],
)
def test_noise(steps: list[float], references: list[float], noise: Noise) -> None:
    found = noise_of([StepSeconds(step) for step in steps], references)
    assert found.to_dict() == pytest.approx(noise.to_dict())


def test_noise_in_words() -> None:
    assert Noise(0.0312, 0.1).text == "the two halves of the steps differ by 3.1 %, fixed reference work by 10.0 %"
    assert Noise(None, 0.1).text == "fixed reference work varied by 10.0 %"
    assert Noise(None, None).text == ""


# ------------------------------------------------------------------- what a series says
@settings(max_examples=trials(200))
@given(st.lists(st.tuples(*[st.floats(1e-6, 1e3)] * 3), min_size=1, max_size=40))
def test_intervals_hold_their_values(steps: list[tuple[float, float, float]]) -> None:
    each = tuple(StepSeconds(*step) for step in steps)
    found = seconds_of(Ran("rehearsed", Series(each, (), 1.0)))
    assert set(found) == {"forward", "backward", "update", "step"}
    assert all(seconds.low <= seconds.value <= seconds.high for seconds in found.values())
    assert found["step"].value == pytest.approx(sum(found[phase].value for phase in found if phase != "step"))
    assert at_rank(each, MEDIAN).forward == found["forward"].value


def test_ranks() -> None:
    assert [ranked([3.0, 1.0, 2.0], rank) for rank in (0, 0.5, 1)] == [1, 2, 3]
