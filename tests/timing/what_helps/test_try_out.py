"""What is tried, in which time, and what is said of it: races are made up, no test depends on how fast a machine is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from torch import nn

from nncost.errors import SourceError
from nncost.pipeline.keywords import settings_of
from nncost.pipeline.report_on import report_on
from nncost.timing.measure.series import Series
from nncost.timing.measure.step import StepSeconds
from nncost.timing.what_helps import predicted, try_out
from nncost.timing.what_helps.race import Outcome, fewest_runs, race, race_parts
from nncost.timing.what_helps.trial import Attempt, Case, Part, Variant
from nncost.timing.what_helps.try_out import Found, Known
from tests.timing.machines import made_up
from tests.timing.what_helps.cases import images

GAINS = {"faster": 2.0, "slower": 0.5, "larger": 1.5}


def steps(*seconds: float) -> Callable[[], float]:
    """Something that takes so many seconds, one run after the other; the last for ever."""
    left = list(seconds)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


@pytest.fixture
def raced(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Races whose outcome is that of their attempt's name; the seconds each was given."""
    given: list[float] = []

    def outcome(usual: Any, other: Any, seconds: float) -> Outcome:
        given.append(seconds)
        return Outcome(other(), 0.01)

    class Steps:
        def __init__(self, case: Case, variant: Variant) -> None:
            self.gain = variant.around() if variant.measured else 1.0

        def __enter__(self) -> Callable[[], float]:
            if isinstance(self.gain, Exception):
                raise self.gain
            return lambda: self.gain

        def __exit__(self, *error: object) -> None:
            pass

    monkeypatch.setattr(try_out, "race", outcome)
    monkeypatch.setattr(try_out, "steps_of", Steps)
    monkeypatch.setattr(try_out, "run_series", lambda step, limits, tell: Series((StepSeconds(0.01),) * 4, (1.0,), 0.1))
    return given


def attempt(name: str, gain: Any, examples: float = 1) -> Attempt:
    return Attempt(name, "", Variant(around=lambda: gain, measured=True, examples=examples))


def of(*attempts: Attempt) -> Callable[[Case], Iterator[Attempt]]:
    return lambda case: iter(attempts)


def found(*remedies: Any, expected: float = 0.01, prediction: Any = None, **settings: Any) -> Found | None:
    source, chosen = "8-4-2", settings_of(batch=2, **settings)
    return try_out.try_out(source, chosen, Known(report_on(source, chosen), expected, prediction), remedies)


@pytest.mark.usefixtures("raced")
def test_the_best_comes_first_and_what_cannot_be_tried_is_left_out() -> None:
    result = found(
        of(attempt("slower", 0.5), attempt("faster", 2.0)),
        of(attempt("impossible", SourceError("no")), attempt("more", 0.75, examples=4)),
    )
    assert result is not None
    assert [(each.attempt.what, each.gain, each.how) for each in result.tried] == [
        ("more", 3.0, "measured"), ("faster", 2.0, "measured"), ("slower", 0.5, "measured"),
    ]  # fmt: skip
    assert [each.per_example for each in result.tried] == [True, False, False]
    assert result.usual == StepSeconds(0.01)
    assert result.left == ()


def test_a_remedy_that_fails_is_no_reason_to_leave_out_others(raced: list[float]) -> None:
    def broken(case: Case) -> Iterator[Attempt]:
        raise RuntimeError("this network is odd")

    result = found(broken, of(attempt("faster", 2.0)))
    assert result is not None
    assert [each.attempt.what for each in result.tried] == ["faster"]
    assert len(raced) == 1


def test_what_there_is_no_time_for_is_named(monkeypatch: pytest.MonkeyPatch, raced: list[float]) -> None:
    now = [0.0]
    monkeypatch.setattr(try_out.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(try_out, "SECONDS", 10.0)

    def later(case: Case) -> Iterator[Attempt]:
        now[0] = 9.99
        return iter((attempt("faster", 2.0), attempt("much larger", 2.0, examples=4)))

    result = found(later)
    assert result is not None
    assert [each.what for each in result.left] == ["faster", "much larger"]
    assert not raced


def test_a_step_that_is_too_long_to_run_is_predicted_or_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(of(attempt("faster", 2.0)), expected=60.0) is None
    asked: list[Any] = []

    def predict(source: Any, settings: Any, progress: Any) -> Any:
        asked.append((source, settings.load.batch))
        return usual

    from nncost.timing.predict_this_machine import predict_by_replay

    usual = predict_by_replay("8-4-2", settings_of(batch=2), made_up())
    monkeypatch.setattr(predicted, "predict_here", predict)
    larger = Attempt("larger", "", Variant(batch=8, examples=4))
    other = Attempt("other", "", Variant(module=nn.Sequential))
    result = found(of(attempt("threads", 2.0), larger, other), expected=60.0, prediction=usual)
    assert result is not None
    assert [(each.attempt.what, each.gain, each.how) for each in result.tried] == [
        ("larger", 4.0, "predicted"), ("other", 1.0, "predicted"),
    ]  # fmt: skip
    assert asked[0] == ("8-4-2", 8)
    assert isinstance(asked[1][0], nn.Sequential)
    assert result.usual is None


def test_a_prediction_ends_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    from nncost.timing.predict_this_machine import predict_by_replay

    usual = predict_by_replay("8-4-2", settings_of(batch=2), made_up())

    def predict(source: Any, settings: Any, progress: Any) -> Any:
        progress("timing operators", 1, 2)
        raise AssertionError("the time is over")

    monkeypatch.setattr(predicted, "predict_here", predict)
    monkeypatch.setattr(try_out, "SECONDS", 0.0)
    result = found(of(Attempt("larger", "", Variant(batch=8, examples=4))), expected=60.0, prediction=usual)
    assert result is not None
    assert [each.what for each in result.left] == ["larger"]


def test_a_step_without_room_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(try_out, "available_bytes", lambda: 100)
    assert found(of(attempt("faster", 2.0))) is None


def test_layers_are_measured_where_nothing_predicts_them() -> None:
    chosen = settings_of("2x3x6x6", loss="cross_entropy")
    module = images()
    result = try_out.try_out(module, chosen, Known(report_on(module, chosen), 0.001), ())
    assert result is not None
    assert result.usual is not None
    assert {"0", "3"} <= set(result.layers)


# ------------------------------------------------------------------- races
def test_a_race_tells_how_many_times_faster_and_how_far_rounds_differ() -> None:
    outcome = race(steps(1.0), steps(0.5), seconds=0.0)
    assert (outcome.gain, outcome.scatter) == (2.0, 0.0)
    shaky = race(steps(1.0), steps(0.5, 1.0, 0.25), seconds=0.0)
    assert shaky.gain == pytest.approx((1.0 + 4.0) / 2)
    assert shaky.scatter > 1


def test_long_runs_are_warm_after_one() -> None:
    assert fewest_runs(10.0) < fewest_runs(0.01)


def test_what_operators_save_is_put_into_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    from nncost.timing.what_helps import race as race_module

    monkeypatch.setattr(race_module, "timed", lambda run: run)
    half = race_parts(Part(steps(0.2), steps(0.1), times=2), usual_step=1.0, seconds=0.0)  # type: ignore[arg-type]
    assert half.gain == pytest.approx(1 / 0.8)
    all_of_it = race_parts(Part(steps(9.0), steps(4.5), times=9), usual_step=1.0, seconds=0.0)  # type: ignore[arg-type]
    assert all_of_it.gain == pytest.approx(2.0)
