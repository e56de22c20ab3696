"""Sentences about time: their numbers fit together, whatever the machine."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch

import nncost
from nncost.counting.quantities import PRIMITIVE
from nncost.explaining.time import instructions as time_instructions
from nncost.explaining.time import steps as time_steps
from nncost.explaining.time.instructions import Network, instructions_of_step
from nncost.pipeline.count import count_source
from nncost.timing.devices.fingerprint import fingerprint
from nncost.timing.devices.profile import Profile, Rate
from nncost.timing.devices.profile_store import save_profile
from nncost.timing.measure.noise import Noise
from nncost.timing.measure.step import StepSeconds
from nncost.timing.what_helps import try_out as what_helps
from nncost.timing.what_helps.trial import Attempt, Tried, Variant
from nncost.timing.what_helps.try_out import Found, Known
from tests.timing.machines import made_up

TRY_OUT = what_helps.try_out


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def nothing_tried(monkeypatch: pytest.MonkeyPatch) -> list[Known]:
    """What would have been tried: tests of its own say what comes of it."""
    asked: list[Known] = []

    def try_out(source: object, settings: object, known: Known, remedies: object, tell: object) -> Found:
        asked.append(known)
        attempt = Attempt("something else", "", Variant())
        return Found(StepSeconds(2.0), Noise(0.1, None), (Tried(attempt, 3.0, 0.0, "measured"),))

    monkeypatch.setattr(what_helps, "try_out", try_out)
    monkeypatch.setattr(time_steps, "REHEARSAL_SECONDS", 0.2)
    return asked


@pytest.fixture
def no_valgrind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_instructions.shutil, "which", lambda name: None)


def told(spec: object, **settings: object) -> str:
    return " ".join(str(nncost.explain(spec, "time", **settings)).split())


@pytest.mark.usefixtures("no_valgrind")
def test_without_calibration_the_operations_and_the_next_command_are_told() -> None:
    text = told("784-16-16-10")
    step = nncost.count("784-16-16-10").step
    operations = sum(step[name] for name in PRIMITIVE)
    assert f"One training step on 1 example is {operations:,} operations." in text
    assert "This machine is not calibrated yet" in text
    assert "nncost calibrate" in text
    assert "For instance, 60,000 examples × 10 epochs are 600,000 steps of 1 example" in text
    assert re.search(r"Measured just now with \w+: [\d.]+ [µm]?s\.", text)
    assert [int(row[0]) for row in rows("784-16-16-10")] == [1, 8, 32, 128]


def rows(spec: str, **settings: object) -> list[tuple[str, ...]]:
    blocks = nncost.explain(spec, "time", **settings).sections[-1].blocks
    return [row for block in blocks for row in getattr(block, "rows", ())]


@pytest.mark.usefixtures("no_valgrind")
def test_a_named_run_is_the_one_told() -> None:
    text = told("20-10-2", examples=100, epochs=3, batch=30)
    assert "100 examples × 3 epochs are 12 steps of 30 examples" in text
    assert "forward pass on 1 example is" in told("20-10-2", loss="none")


@pytest.mark.usefixtures("no_valgrind")
def test_with_a_calibration_the_causes_are_told() -> None:
    profile = Profile(
        name="this", fingerprint=fingerprint(), engine="numpy", contraction=(Rate(1, 1e9),), convolution=(),
        bandwidth=(Rate(1, 1e12),), overheads={"forward": 1.0, "backward": 1.0, "update": 1.0}, page_fault=0.0,
        page_bytes=4096, cold=1.0, spread=0.0,
    )  # fmt: skip
    save_profile(profile)
    text = told("20-10-2")
    assert "(calibrated: 1.00 billion operations a second" in text
    assert "Predicted here: " in text
    assert "(100%) the framework's work around it" in text
    assert "times the prediction" in text


@pytest.mark.usefixtures("no_valgrind")
def test_a_network_that_is_too_large_to_run_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(what_helps, "try_out", TRY_OUT)
    spec = "1000, dense 100000, dense 100000"
    text = told(spec)
    assert "Measured" not in text
    assert rows(spec) == []


def test_a_module_is_rehearsed_and_its_causes_and_what_helps_are_told(nothing_tried: list[Known]) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    save_profile(made_up())
    text = told(module, inputs="3x8", loss="cross_entropy", optimizer="adam")
    assert re.search(r"Rehearsed here: [^:]* per step .*Noise: the two halves of the steps differ by", text)
    assert "is the largest cause" in text
    assert text.index("is the largest cause") < text.index("Tried: something else: 3.00 times faster (measured).")
    assert "Meanwhile the two halves of the steps differ by 10.0 %." in text
    (known,) = nothing_tried
    assert known.prediction is not None
    assert known.expected == known.prediction.seconds["step"].value


def test_a_module_without_calibration_is_measured_while_remedies_are_tried(nothing_tried: list[Known]) -> None:
    text = told(torch.nn.Linear(8, 4), inputs="3x8")
    assert "This machine is not calibrated yet" in text
    assert "Measured just now with PyTorch: 2.00 s." in text
    assert "Tried: something else" in text
    assert nothing_tried[0].prediction is None


def test_operators_that_take_too_long_to_be_timed_leave_the_rates_of_the_profile(
    nothing_tried: list[Known], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_profile(made_up())
    monkeypatch.setattr(time_steps, "OPERATOR_SECONDS", 0.0)
    text = told(torch.nn.Linear(8, 4), inputs="3x8", loss="cross_entropy", optimizer="adam")
    assert "Predicted here: " in text
    assert "is the largest cause" in text
    assert nothing_tried[0].prediction is None


def test_several_micro_batches_are_not_tried(nothing_tried: list[Known]) -> None:
    assert "Tried" not in told("20-10-2", accumulate=2)
    assert not nothing_tried


def test_symbols_need_numbers() -> None:
    with pytest.raises(nncost.NncostError, match="seconds need numbers"):
        nncost.explain("784-h-10", "time")


def test_time_is_told_when_asked_for_alone() -> None:
    assert "Time" not in [section.title for section in nncost.explain("8-4-2").sections]


def test_the_step_that_is_run_is_the_step_that_is_counted() -> None:
    from nncost.explaining.time.here import numpy_step
    from nncost.pipeline.keywords import settings_of

    for spec in (
        "8-4-2",
        "3x6x6, conv 2 3x3, relu, flatten, dense 4, softmax",
        "5, embedding 9 4, lstm 3 last, dense 2",
    ):
        counted = count_source(spec, settings_of(batch=2, optimizer="adam", loss=None))
        assert set(numpy_step(counted)()) >= {counted.step.loss}  # type: ignore[call-overload]


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_machine_instructions_are_counted_once_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_instructions, "TIMEOUT_SECONDS", 600)  # as long as a busy machine needs
    network = Network("40-30-2", 1, "squared_error", "sgd", "all", "sigmoid")
    counted = instructions_of_step(network)
    assert counted is not None
    operations = nncost.count("40-30-2").step.mul
    assert counted > operations
    monkeypatch.setattr(time_instructions, "_counted", lambda network, steps: None)
    assert instructions_of_step(network) == counted


def test_instructions_of_a_process_that_fails_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_instructions, "TOOL", "false")
    network = Network("4-2", 1, "squared_error", "sgd", "all", "sigmoid")
    assert instructions_of_step(network) is None
