"""Calibration: what is found from made-up observations, what is kept, and where a stopped one goes on."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import nncost
from nncost.cli.main import run
from nncost.errors import OptionError
from nncost.records import replace
from nncost.timing.calibration import calibrate as calibration
from nncost.timing.calibration import rates
from nncost.timing.calibration.calibrate import Probe, calibrate
from nncost.timing.calibration.networks import NETWORKS
from nncost.timing.calibration.overheads import UNKNOWNS, Observation, observe, solve
from nncost.timing.devices.fingerprint import fingerprint
from nncost.timing.devices.profile import Profile
from nncost.timing.devices.profile_store import this_profile
from nncost.timing.measure.step import StepSeconds
from nncost.timing.replay.timing_cache import TimingCache
from tests.timing.machines import OVERHEADS

AMOUNTS = (
    {"forward_call": 1, "python_call": 9, "module": 1, "forward_view": 96, "forward_operator": 3, "node": 98, "backward_operator": 3, "gradient": 1,
     "backward_call": 1, "parameter": 1, "update_operator": 9, "update_call": 1},
    {"forward_call": 1, "python_call": 50, "module": 1, "forward_view": 0, "forward_operator": 67, "node": 66, "backward_operator": 67, "gradient": 1,
     "backward_call": 1, "parameter": 1, "update_operator": 1, "update_call": 1},
    {"forward_call": 1, "python_call": 20, "module": 66, "forward_view": 1, "forward_operator": 3, "node": 3, "backward_operator": 4, "gradient": 32,
     "backward_call": 1, "parameter": 32, "update_operator": 288, "update_call": 1},
    {"forward_call": 1, "python_call": 400, "module": 20, "forward_view": 60, "forward_operator": 24, "node": 85, "backward_operator": 51,
     "gradient": 24, "backward_call": 1, "parameter": 24, "update_operator": 24, "update_call": 1},
    {"forward_call": 1, "python_call": 30, "module": 5, "forward_view": 2, "forward_operator": 4, "node": 7, "backward_operator": 9,
     "gradient": 4, "backward_call": 1, "parameter": 4, "update_operator": 4, "update_call": 1},
    {"forward_call": 1, "python_call": 210, "module": 33, "forward_view": 16, "forward_operator": 18, "node": 49,
     "backward_operator": 65, "gradient": 32, "backward_call": 1, "parameter": 32, "update_operator": 32, "update_call": 1},
)  # fmt: skip


def _observation(amounts: dict[str, int], overheads: dict[str, float]) -> Observation:
    operators = {"forward": 50e-6, "backward": 70e-6, "update": 20e-6}
    measured = {
        phase: operators[phase] + sum(amounts[name] * overheads[name] for name in names)
        for phase, names in UNKNOWNS.items()
    }
    return Observation(StepSeconds(**measured), operators, amounts)


def test_overheads_are_found_again() -> None:
    known = OVERHEADS | {"forward_operator": 0.5e-6}
    found = solve([_observation(amounts, known) for amounts in AMOUNTS])
    assert found == pytest.approx({name: known[name] for names in UNKNOWNS.values() for name in names}, abs=1e-12)


def test_no_overhead_is_less_than_nothing() -> None:
    impossible = OVERHEADS | {"module": -1e-6, "node": -1e-6, "forward_operator": -9e-6}
    found = solve([_observation(amounts, impossible) for amounts in AMOUNTS])
    assert found["module"] >= 0
    assert found["node"] >= 0
    assert min(found.values()) >= 0


def test_a_network_that_was_disturbed_counts_less() -> None:
    seen = [_observation(amounts, OVERHEADS) for amounts in (*AMOUNTS, *AMOUNTS)]
    slow = seen[1].measured
    seen[1] = replace(seen[1], measured=StepSeconds(3 * slow.forward, 3 * slow.backward, 3 * slow.update))
    found = solve(seen)
    assert found == pytest.approx(
        {name: OVERHEADS[name] for names in UNKNOWNS.values() for name in names}, rel=0.1, abs=2e-7
    )


@given(st.lists(st.lists(st.floats(-2e-4, 2e-3), min_size=3, max_size=3), min_size=4, max_size=8))
def test_nothing_is_less_than_nothing_whatever_was_measured(times: list[list[float]]) -> None:
    """A cause below nothing came out of calibrations that were disturbed."""
    seen = []
    for row, amounts in zip(times, itertools.cycle(AMOUNTS), strict=False):
        seconds = [abs(each) for each in row]
        operators = dict(zip(UNKNOWNS, row, strict=True))
        seen.append(Observation(StepSeconds(*seconds), {k: abs(v) for k, v in operators.items()}, amounts))
    assert min(solve(seen).values()) >= 0


def test_rates_that_contradict_each_other_are_doubtful() -> None:
    usual = [rates.Rate(2**n, 1e10, 0.1) for n in range(5)]
    assert rates.doubtful_rates(usual) == []
    assert rates.doubtful_rates([*usual[:2], rates.Rate(4, 4e7, 0.1), *usual[3:]]) == [2]
    assert (
        rates.doubtful_rates([rates.Rate(2**n, 2**n * 1e6, 0.1) for n in range(9)]) == []
    )  # a call that takes as long for all
    assert rates.doubtful_rates([*usual[:4], rates.Rate(16, 4e7, 0.1)]) == [4]
    assert rates.doubtful_rates([rates.Rate(1, 1e10, 9.0), *usual[1:]]) == [0]
    assert rates.doubtful_rates([rates.Rate(1, 1e10, 0.1)]) == []


def test_doubtful_rates_are_measured_again_then_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "_PAUSE_SECONDS", 0.0)
    trials = [rates.Trial(size, size, lambda: None) for size in (1, 2, 3)]
    measured: list[int] = []

    def rate(trial: rates.Trial, calm_after: int) -> rates.Rate:
        measured.append(trial.size)
        disturbed = trial.size == 2 and measured.count(2) <= calm_after
        return rates.Rate(trial.size, 1e6 if disturbed else 1e9, 0.1)

    monkeypatch.setattr(rates, "_rate", lambda trial: rate(trial, 2))
    assert [each.per_second for each in rates.rates_of("streams", trials)] == [1e9] * 3
    assert measured.count(2) == 3
    assert measured.count(1) == 1
    monkeypatch.setattr(rates, "_rate", lambda trial: rate(trial, 99))
    with pytest.raises(OptionError, match=r"too busy.*streams of size 2 ran at 1e"):
        rates.rates_of("streams", trials)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_can_be_observed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nncost.timing.calibration.overheads.STEPS", 3)
    drawn = torch.random.get_rng_state()
    seen = observe(NETWORKS[name], "adam", TimingCache(tmp_path / "cache.json"))
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert min(seen.measured.forward, seen.measured.backward, seen.measured.update) > 0
    assert all(seconds > 0 for seconds in seen.operators.values())
    assert {name for names in UNKNOWNS.values() for name in names} >= seen.amounts.keys() - {
        "backward_view",
        "update_view",
    }


def test_rates_have_the_flops_of_their_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "_LEAST_SECONDS", 1e-5)
    monkeypatch.setattr(rates, "_SQUARES", (8, 16))
    monkeypatch.setattr(rates, "_SKINNY", ((1, 4, 6),))
    monkeypatch.setattr(rates, "_CONVOLUTIONS", ((2, 3, 4, 5, 3),))
    monkeypatch.setattr(rates, "_WORKING_SETS", (2**14,))
    assert [rate.size for rate in rates.products()] == [2 * 4 * 6, 2 * 8**3, 2 * 16**3]
    assert [rate.size for rate in rates.convolutions()] == [2 * 2 * 4 * 25 * 3 * 9]
    assert all(rate.per_second > 0 for rate in rates.bandwidths())


# ------------------------------------------------------------------- a calibration that is stopped
def _probes(calls: list[str], stop_at: str = "") -> list[Probe]:
    plain = {"size": 2_000, "per_second": 1e9, "spread": 0.0}
    results: dict[str, Any] = {
        "reference work": 1e-3, "matrix products": [plain], "convolutions": [plain], "bandwidth by working set": [plain],
        "page faults": 1e-6, "cold caches": 2.0,
    }  # fmt: skip
    for number, amounts in enumerate(AMOUNTS):
        seen = _observation(amounts, OVERHEADS)
        measured = {phase: getattr(seen.measured, phase) for phase in UNKNOWNS}
        results[f"overheads: {number}"] = {
            "measured": measured,
            "operators": seen.operators,
            "amounts": amounts,
            "faults": {},
        }

    def measure(name: str) -> Any:
        if name == stop_at:
            raise KeyboardInterrupt
        calls.append(name)
        return results[name]

    return [Probe(name, lambda name=name: measure(name)) for name in results]  # type: ignore[misc]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path))
    return tmp_path


def _with(monkeypatch: pytest.MonkeyPatch, probes: list[Probe]) -> None:
    monkeypatch.setattr(calibration, "_probes", lambda: iter(probes))


def test_a_profile_is_kept_and_found(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert this_profile() is None
    _with(monkeypatch, _probes([]))
    profile, path = calibrate()
    assert path.is_relative_to(cache)
    assert this_profile() == profile
    assert isinstance(profile, Profile)
    assert profile.overheads["node"] == pytest.approx(OVERHEADS["node"], abs=1e-12)
    assert profile.spread == pytest.approx(0, abs=1e-6)
    assert not (cache / "calibration.json").exists()


def test_a_stopped_calibration_goes_on(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    _with(monkeypatch, _probes(calls, stop_at="convolutions"))
    with pytest.raises(KeyboardInterrupt):
        calibrate()
    assert calls == ["reference work", "matrix products"]
    _with(monkeypatch, _probes(calls))
    told: list[str] = []
    calibrate(lambda name, done, of: told.append(name))
    assert sorted(calls) == sorted(set(calls))
    assert told == [probe.name for probe in _probes([])]


@pytest.mark.parametrize("change", ["fresh", "age", "machine", "broken"])
def test_what_no_longer_holds_is_measured_anew(cache: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    calls: list[str] = []
    _with(monkeypatch, _probes(calls, stop_at="convolutions"))
    with pytest.raises(KeyboardInterrupt):
        calibrate()
    path = cache / "calibration.json"
    content = json.loads(path.read_text())
    if change == "age":
        path.write_text(json.dumps(content | {"at": content["at"] - 7200}))
    if change == "machine":
        path.write_text(json.dumps(content | {"fingerprint": fingerprint() | {"cpu": "another"}}))
    if change == "broken":
        path.write_text("{")
    _with(monkeypatch, _probes(calls))
    calibrate(fresh=change == "fresh")
    assert calls.count("reference work") == 2


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path / "file" / "below"))
    _with(monkeypatch, _probes([]))
    with pytest.raises(OptionError, match="cannot be kept"):
        calibrate()


def test_the_command_says_what_was_found(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _with(monkeypatch, _probes([]))
    assert run(["calibrate"]) == 0
    output = capsys.readouterr()
    assert "fastest matrix product" in output.out
    assert "reference work" in output.err
    assert run(["calibrate", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "nncost.profile/1"
    assert run(["predict", "8-6-4"]) == 0


def test_without_a_calibration_there_is_one_clear_error(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "784-16-16-10"]) == 2
    error = capsys.readouterr().err
    assert "nncost calibrate" in error
    assert "5 minutes" in error
    assert "--on" in error
    with pytest.raises(OptionError):
        nncost.predict(nn.Linear(2, 2), (1, 2))
