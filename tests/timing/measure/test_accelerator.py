"""Steps on a CUDA device: what is asked of it and in which order, with a device that is made up, and one real step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import nncost
from nncost.documents import plain
from nncost.errors import NncostError, OptionError, SourceError
from nncost.pipeline.keywords import settings_of
from nncost.records import replace
from nncost.timing import accelerator
from nncost.timing.accelerator import Accelerator, EventClock, accelerator_of, clock_of, driver_in, one_device, peak_on
from nncost.timing.devices.catalogue import device_called
from nncost.timing.measure.measure import _PlainErrors
from nncost.timing.measure.place import Place
from nncost.timing.measure.step import Stepper
from nncost.timing.predict_on_accelerator import predict_on_accelerator
from nncost.timing.predict_this_machine import predict_here
from nncost.timing.runnable import subject_of
from nncost.views.measure import measure_document

CPU, GPU, OTHER = torch.device("cpu"), torch.device("cuda:0"), torch.device("cuda:1")
OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  555.42.02  Release Build  (dvs-builder)\nGCC version: 12.2.0"
CLOSED = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC version: 11.4.0"


class MadeUp:
    """CUDA as it is called: each call is noted, events are a millisecond apart, and memory is what a test says."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.now = 0.0
        self.allocated, self.most = 1000, 1000

    def synchronize(self, device: Any) -> None:
        self.calls.append("synchronize")

    def reset_peak_memory_stats(self, device: Any) -> None:
        self.calls.append("reset")
        self.most = self.allocated

    def memory_allocated(self, device: Any) -> int:
        self.calls.append("allocated")
        return self.allocated

    def max_memory_allocated(self, device: Any) -> int:
        self.calls.append("peak")
        return self.most

    def mem_get_info(self, device: Any) -> tuple[int, int]:
        return 500, 4000

    def current_stream(self, device: Any) -> str:
        return f"stream of {device}"

    def get_device_properties(self, device: Any) -> Any:
        class Properties:
            name, major, minor, total_memory = "NVIDIA H200", 9, 0, 150_000_000_000

        return Properties()

    def Event(self, *, enable_timing: bool) -> Event:  # noqa: N802 - as PyTorch names it
        assert enable_timing
        return Event(self)


class Event:
    """An event of the made-up device."""

    def __init__(self, cuda: MadeUp) -> None:
        self._cuda, self.at = cuda, -1.0

    def record(self, stream: str) -> None:
        self._cuda.now += 1.0
        self.at = self._cuda.now
        self._cuda.calls.append(f"record on {stream}")

    def synchronize(self) -> None:
        assert self.at > 0, "an event that was not recorded does not wait"
        self._cuda.calls.append("wait")

    def elapsed_time(self, other: Event) -> float:
        assert self._cuda.calls[-1] == "wait", "times are there once both events are over"
        return other.at - self.at


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    made = MadeUp()
    for name in (
        "synchronize", "reset_peak_memory_stats", "memory_allocated", "max_memory_allocated", "mem_get_info",
        "current_stream", "get_device_properties", "Event",
    ):  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, getattr(made, name))
    return made


# ------------------------------------------------------------------- where
def test_a_module_is_on_one_device() -> None:
    assert one_device([]) == one_device([CPU, CPU]) == one_device([CPU, torch.device("meta")]) == CPU
    assert one_device([GPU, GPU]) == GPU
    for mixed in ([CPU, GPU], [GPU, OTHER]):
        with pytest.raises(SourceError, match="runs a step on one device"):
            one_device(mixed)


def test_a_processor_s_clock_is_not_a_device_s(cuda: MadeUp) -> None:
    clock_of(CPU)()
    assert not cuda.calls
    assert isinstance(clock_of(GPU), EventClock)


# ------------------------------------------------------------------- the clock
def test_each_reading_waits_for_what_was_queued_before(cuda: MadeUp) -> None:
    clock = EventClock(OTHER)
    assert [clock() for _ in range(4)] == pytest.approx([0.0, 0.001, 0.002, 0.003])
    assert cuda.calls == ["record on stream of cuda:1", "wait"] * 4


def test_a_step_is_read_at_the_ends_of_its_phases(cuda: MadeUp) -> None:
    module = nn.Linear(3, 2)
    settings = settings_of("4x3", loss="cross_entropy", optimizer="sgd")
    with subject_of(module, settings, loss="cross_entropy", optimizer="sgd", real=True) as subject:
        seconds = Stepper(subject, clock=EventClock(GPU)).step()
    assert cuda.calls.count("wait") == 4
    assert (seconds.forward, seconds.backward, seconds.update) == pytest.approx((0.001, 0.001, 0.001))


# ------------------------------------------------------------------- memory
def test_the_peak_is_what_comes_on_top_of_what_is_there(cuda: MadeUp) -> None:
    cuda.most = 9999  # of something earlier

    def run() -> None:
        cuda.calls.append("run")
        cuda.most = max(cuda.most, 1700)

    assert peak_on(GPU, run) == 700
    assert cuda.calls == ["synchronize", "reset", "allocated", "run", "synchronize", "peak"]


def test_a_place_measures_on_its_device(cuda: MadeUp) -> None:
    place = Place(GPU)
    assert (place.is_processor, place.name, place.free_bytes()) == (False, "cuda:0", 500)
    assert place.peak(lambda: None) == 0
    assert [len(list(place.notes(allocator))) for allocator in ("exact", "cuda")] == [1, 0]
    assert Place(CPU).described() == {}
    assert not list(Place(CPU).notes("exact"))


# ------------------------------------------------------------------- what it is
@pytest.mark.parametrize(
    ("text", "version"), [(OPEN, "555.42.02"), (CLOSED, "550.54.15"), ("", ""), ("Kernel Module\n", ""), ("12.2.0", "")]
)
def test_the_driver_s_version(text: str, version: str) -> None:
    assert driver_in(text) == version


def test_a_device_says_what_it_is(cuda: MadeUp, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "_DRIVER", tmp_path / "version")
    assert accelerator_of(GPU).driver == ""
    (tmp_path / "version").write_text(CLOSED)
    found = accelerator_of(GPU)
    assert found == Accelerator("NVIDIA H200", "9.0", "550.54.15", 150_000_000_000)
    assert found.to_dict()["accelerator"] == "NVIDIA H200"


def test_a_measurement_names_its_device_and_one_of_the_processor_does_not() -> None:
    found = nncost.measure("4-3-2")
    assert "device" not in found.to_dict()
    on_it = replace(found, device=Accelerator("NVIDIA H200", "9.0", "", 1).to_dict())
    assert on_it.to_dict()["device"]["capability"] == "9.0"
    assert "NVIDIA H200, capability 9.0\n" in plain.render(measure_document(on_it))


# ------------------------------------------------------------------- predictions
NETWORK = settings_of("4x30", loss="cross_entropy", optimizer="adam")


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 5))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("NVIDIA A100-SXM4-80GB", "a100"), ("NVIDIA A100-SXM4-40GB", "a100-40gb"), ("NVIDIA A100 80GB PCIe", "a100-pcie"),
        ("NVIDIA H100 80GB HBM3", "h100"), ("NVIDIA H100 PCIe", "h100-pcie"), ("NVIDIA H200", "h200"), ("Tesla T4", "t4"),
        ("NVIDIA A10G", "a10g"), ("NVIDIA A10", "a10"), ("Tesla V100-SXM2-32GB", "v100"), ("NVIDIA GeForce MX 450", None), ("", None),
    ],
)  # fmt: skip
def test_what_a_driver_calls_a_device(text: str, name: str | None) -> None:
    found = device_called(text)
    assert (None if found is None else found.name) == name


def test_a_module_on_a_device_runs_there(cuda: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10**9, 10**9))
    monkeypatch.setattr(accelerator, "device_of", lambda module: GPU)  # the step itself runs on the processor
    module = network()
    prediction = predict_here(module, NETWORK, budget=0.3)
    assert (prediction.label, prediction.device["title"]) == ("rehearsed", "NVIDIA H200")
    assert prediction.how.startswith("rehearsed")
    assert {row.path for row in prediction.rows} >= {"0", "1", "2"}
    for phase in ("forward", "backward", "update"):
        rows = sum(row.seconds.value for row in prediction.rows if row.phase == phase)
        assert rows == pytest.approx(prediction.seconds[phase].value)
    assert prediction.operators_alone["step"].value > 0
    assert prediction.memory["capacity_bytes"] == 150_000_000_000
    assert all(parameter.grad is None for parameter in module.parameters())


def test_a_device_that_nobody_described_has_phases_only(cuda: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10**9, 10**9))
    monkeypatch.setattr("nncost.timing.predict_on_accelerator.device_called", lambda text: None)
    prediction = predict_on_accelerator(network(), NETWORK, GPU, 0.3)
    assert {(row.path, row.op) for row in prediction.rows} == {("", "framework")}
    assert prediction.seconds["step"].value > 0
    assert prediction.mfu is None
    with pytest.raises(OptionError, match="cannot predict for NVIDIA H200: no time was allowed"):
        predict_on_accelerator(network(), NETWORK, GPU, 0.0)


def test_without_a_budget_the_catalogue_answers(cuda: MadeUp) -> None:
    prediction = predict_on_accelerator(network(), NETWORK, GPU, 0.0)
    assert (prediction.label, prediction.device["name"]) == ("estimated", "h200")
    assert "no time was allowed" in prediction.how
    scarce = predict_on_accelerator(network(), NETWORK, GPU, 1.0)  # 500 bytes are free
    assert "a step would need" in scarce.how


# ------------------------------------------------------------------- refusals
@pytest.mark.parametrize("text", ["CUDA out of memory. Tried to allocate 2.00 GiB", "can't allocate memory: 5 bytes"])
def test_want_of_memory_is_one_sentence(text: str) -> None:
    from nncost.pipeline.report_on import report_on

    with pytest.raises(NncostError, match="not enough memory"), _PlainErrors(report_on("4-3-2", settings_of())):
        raise RuntimeError(text)


# ------------------------------------------------------------------- a real one
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_a_real_prediction_on_a_device() -> None:
    module = nn.Sequential(nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 10)).cuda()
    predicted = nncost.predict(module, "64x256", loss="cross_entropy", optimizer="adam", budget="1s")
    measured = nncost.measure(module, "64x256", loss="cross_entropy", optimizer="adam")
    assert predicted.label == "rehearsed"
    assert predicted.device["accelerator"] == measured.device["accelerator"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_real_step_on_a_device(optimizer: str) -> None:
    module = nn.Sequential(nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 10)).cuda()
    found = nncost.measure(module, "64x256", loss="cross_entropy", optimizer=optimizer, allocator="cuda")
    seconds = found.measured["seconds"]
    assert seconds["step"] > 0
    assert seconds["step"] == pytest.approx(seconds["forward"] + seconds["backward"] + seconds["update"])
    assert found.measured["memory"]["step_allocated"] > 0
    assert found.device["accelerator"] == torch.cuda.get_device_name()
    assert not found.rows
    assert all(parameter.grad is None for parameter in module.parameters())
