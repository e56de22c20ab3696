"""Distances by hand, the cache, page faults, and a whole replayed step."""

from __future__ import annotations

import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import nn

import nncost
from nncost.frontends.model import Inputs, LoadOptions, Training
from nncost.frontends.torch.allocation.recorder import Argument, MemoryEvent, OpRecord, record_step
from nncost.pipeline.keywords import settings_of
from nncost.records import replace
from nncost.timing.predict_this_machine import predict_by_replay
from nncost.timing.prediction import CAUSES, Prediction
from nncost.timing.replay.cache_distance import FURTHEST, jobs_of
from nncost.timing.replay.page_faults import PAGE_BYTES, faults_of, peak_of
from nncost.timing.replay.step import alone
from nncost.timing.replay.tensors import real_arguments
from nncost.timing.replay.timing import CacheFlusher, Timed, time_job
from nncost.timing.replay.timing_cache import TimingCache
from tests.timing.machines import made_up


def _operators(width: int = 4) -> list[OpRecord]:
    module = nn.Sequential(nn.Linear(width, width), nn.Sigmoid())
    options = LoadOptions(training=True, steps=Training("squared_error", "sgd"))
    return record_step(module, Inputs((torch.randn(2, width),)), options).operators


def test_a_small_step_stays_in_the_cache() -> None:
    jobs = [job for job in jobs_of(_operators(), cache_bytes=2**20) if not job.call.is_view]
    assert {distance for job in jobs for distance in (*job.distances, job.code)} == {0}


def test_a_distance_is_what_was_touched_since() -> None:
    """A cache of 100 bytes; the layer has 16 weights and 4 biases, the input 8 numbers, all of 4 bytes.

    The update touches weights and their gradient (128 bytes), then biases and theirs (32). So the next step finds
    the weights 32 + 64 = 96 bytes away (in the cache), and the biases 16. The input was last read by the gradient of the
    weights; after it came the sum for the biases' gradient (32 + 16) and the update (160): 208 + 32 = 240 bytes, which is
    beyond 100 and within the next level, 400. The sigmoid reads what was written right before.
    """
    forward = {
        str(job.call.operator): job for job in jobs_of(_operators(), cache_bytes=100) if job.call.phase == "forward"
    }
    assert forward["aten.addmm.default"].distances == (0, 400, 0)
    assert forward["aten.sigmoid.default"].distances == (0,)


def test_memory_given_back_last_is_handed_out_first() -> None:
    """Two blocks of 64 bytes are given back, 1,000 bytes of other work apart; the later one is taken again."""
    job = next(job for job in jobs_of(_operators(), cache_bytes=2**20) if "addmm" in str(job.call.operator))
    operator = job.call
    taken = [MemoryEvent(1_001, 0, 64), MemoryEvent(1_002, 0, 64), MemoryEvent(1_001, 1), MemoryEvent(1_002, 2)]
    jobs = jobs_of([operator] * 4, [*taken, MemoryEvent(1_003, 3, 64)], cache_bytes=200)
    # An operator touches 16 + 32 + 64 + 32 = 144 bytes. The step begins with both blocks free again from the last one.
    assert [each.results for each in jobs][1:3] == [0, 0]
    assert jobs[3].results == 200 * 4  # given back before the third of four: 144 bytes and its own 64 lie between
    assert jobs_of([operator], [MemoryEvent(1, 0, 10**6)], cache_bytes=200)[0].results > 0


def test_memory_that_was_never_held_is_furthest() -> None:
    first = jobs_of(_operators()[:2], [MemoryEvent(1_001, 0, 10**12)], cache_bytes=100)[0]
    assert first.results == FURTHEST


@pytest.mark.parametrize("index", range(3))
def test_real_arguments_look_as_recorded(index: int) -> None:
    module = [nn.Linear(4, 3), nn.Conv2d(2, 3, 3), nn.Embedding(7, 4)][index]
    x = [torch.randn(2, 4), torch.randn(1, 2, 5, 5), torch.randint(0, 7, (2, 3))][index]
    options = LoadOptions(training=True, steps=Training("squared_error", "adam"))
    for recorded in record_step(module, Inputs((x,)), options).operators:
        if recorded.is_view:
            continue
        args, kwargs = real_arguments(recorded)
        tensors = [leaf for leaf in (*args, *kwargs.values()) if isinstance(leaf, torch.Tensor)]
        told = [a.layout for a in (*recorded.args, *recorded.kwargs.values()) if isinstance(a, Argument)]
        assert [(t.shape, t.stride(), t.dtype) for t in tensors] == [(a.shape, a.stride, a.dtype) for a in told]
        with torch.no_grad():
            recorded.operator(*args, **kwargs)  # the values fit: no index is out of range


def test_a_job_is_timed() -> None:
    job = next(job for job in jobs_of(_operators()) if "addmm" in str(job.call.operator))
    timed = time_job(job, CacheFlusher(), 3)
    assert 0 < timed.low <= timed.seconds <= timed.high


def test_page_faults_are_taken_off() -> None:
    assert alone(Timed(10.0, 8.0, 12.0, 4.0), 1.0, 0.5) == Timed(5.5, 3.5, 7.5, 4.0)
    assert alone(Timed(1e-6, 1e-6, 1e-6, 4.0), 1e-6, 0.0).seconds == 0.0


LARGE = 64 * 2**20  # more than the largest block that the allocator keeps


def _faults_of_large_memory() -> tuple[dict[int, float], dict[int, float], float]:
    found, nothing = faults_of([MemoryEvent(1, 5, LARGE), MemoryEvent(1, 6)]), faults_of([])
    assert found is not None
    assert nothing is not None
    return found.pages, found.seconds, nothing.total


def test_large_memory_is_touched_anew_in_each_step() -> None:
    """In a process of its own: this one's heap may have a hole of that size, which is touched already."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        pages, seconds, nothing = process.submit(_faults_of_large_memory).result()
    assert set(pages) == {5}
    assert 0 < pages[5] <= LARGE // PAGE_BYTES + 16
    assert set(seconds) == {5}
    assert nothing == 0


def test_the_most_memory_held_at_once() -> None:
    events = [
        MemoryEvent(1, 0, 100),
        MemoryEvent(2, 1, 50),
        MemoryEvent(1, 2),
        MemoryEvent(3, 2, 20),
        MemoryEvent(2, 3),
    ]
    assert peak_of(events) == 150


def test_what_is_too_large_for_this_machine_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nncost.timing.replay.page_faults.available_bytes", lambda: 1_000)
    monkeypatch.setattr("nncost.timing.replay.timing.available_bytes", lambda: 1_000)
    assert faults_of([MemoryEvent(1, 0, 501)]) is None
    prediction = predict_by_replay("61-59-53", settings_of(batch=7), made_up())
    assert any("page faults are not in it" in note for note in prediction.notes)
    assert any("aten.addmm" in note for note in prediction.notes)


# ------------------------------------------------------------------- the cache
def test_times_are_remembered(tmp_path: Path) -> None:
    path, timed = tmp_path / "cache.json", Timed(1.0, 0.5, 2.0, 3.0)
    cache = TimingCache(path)
    cache.keep("a job", timed)
    assert not path.exists()
    cache.save()
    assert TimingCache(path).find("a job") == timed
    assert TimingCache(path).find("another") is None


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"schema": "other"}', '{"schema": "nncost.operators/3", "times": {"a": 1}}']
)
def test_a_broken_cache_counts_as_empty(tmp_path: Path, content: str) -> None:
    path = tmp_path / "cache.json"
    path.write_text(content)
    cache = TimingCache(path)
    assert cache.find("a job") is None
    cache.keep("a job", Timed(1.0, 1.0, 1.0, 0.0))
    cache.save()
    assert json.loads(path.read_text())["schema"] == "nncost.operators/3"


def test_a_time_of_a_busy_machine_is_taken_again(tmp_path: Path) -> None:
    path, timed = tmp_path / "cache.json", Timed(1.0, 1.0, 1.0, 0.0)
    busy = TimingCache(path, usual=1e-3, reference=lambda: 4e-3)
    busy.keep("a job", timed)
    busy.save()
    assert busy.slowdown == pytest.approx(4)
    quiet = TimingCache(path, usual=1e-3, reference=lambda: 1.2e-3)
    assert quiet.find("a job") is None
    quiet.keep("a job", timed)
    quiet.save()
    assert quiet.slowdown is None
    assert TimingCache(path, usual=1e-3).find("a job") == timed
    TimingCache(path).forget()
    assert TimingCache(path).find("a job") is None
    assert not path.exists()


def test_a_prediction_on_a_busy_machine_says_so() -> None:
    slow = replace(made_up(), references={"reference": 1e-12})
    prediction = predict_by_replay("11-13-5", settings_of(batch=3), slow)
    assert any("this machine is busy: fixed reference work takes" in note for note in prediction.notes)
    quiet = replace(made_up(), references={"reference": 1e3})
    assert not any("busy" in note for note in predict_by_replay("11-13-5", settings_of(batch=3), quiet).notes)


def test_a_cache_that_cannot_be_written_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = TimingCache(tmp_path / "file" / "cache.json")
    cache.keep("a job", Timed(1.0, 1.0, 1.0, 0.0))
    cache.save()
    assert cache.find("a job") is not None


# ------------------------------------------------------------------- a whole step
@pytest.mark.parametrize("source", ["8-6-4", "1x8x8, conv 2 3x3, relu, flatten, dense 3", "6x4, lstm 5 last, dense 2"])
def test_rows_phases_and_causes_add_up(source: str) -> None:
    prediction = predict_by_replay(source, settings_of(batch=2, examples=20, epochs=3), made_up())
    seconds = prediction.seconds
    for phase in ("forward", "backward", "update"):
        assert seconds[phase].value > 0
        assert seconds[phase].low <= seconds[phase].value <= seconds[phase].high
        rows = sum(row.seconds.value for row in prediction.rows if row.phase == phase)
        assert rows == pytest.approx(seconds[phase].value)
    assert seconds["step"].value == pytest.approx(sum(seconds[p].value for p in ("forward", "backward", "update")))
    assert seconds["run"].value == pytest.approx(30 * seconds["step"].value)
    for row in prediction.rows:
        assert set(row.causes) == set(CAUSES)
        assert sum(row.causes.values()) == pytest.approx(row.seconds.value)
        assert min(row.causes.values()) >= 0
    layers = {row.path for row in nncost.count(source, batch=2).rows}
    assert layers & {row.path for row in prediction.rows if row.phase == "forward"}
    assert prediction.label == "calibrated"
    assert prediction.to_dict()["schema"] == "nncost.prediction/1"


def test_a_second_prediction_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nncost.timing.replay.step.faults_of", lambda _: None)  # allocations are repeated each time
    told: list[tuple[str, int, int]] = []
    first = predict_by_replay("8-6-4", settings_of(batch=2), made_up(), lambda *progress: told.append(progress))
    assert told[-1] == ("timing operators", len(told), len(told))
    monkeypatch.setattr("nncost.timing.replay.step.time_job", lambda *_: pytest.fail("an operator ran again"))
    again = predict_by_replay("8-6-4", settings_of(batch=2), made_up())

    def operators(prediction: Prediction) -> list[tuple[str, dict[str, float]]]:
        """Seconds of operators; Python's own calls, which cost overhead, are fewer the second time."""
        return [(row.path, {c: s for c, s in row.causes.items() if c != "overhead"}) for row in prediction.rows]

    assert operators(again) == operators(first)


def test_an_operator_that_cannot_be_timed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("not here")

    monkeypatch.setattr("nncost.timing.replay.step.time_job", refuse)
    prediction = predict_by_replay("9-7-5", settings_of(batch=3), made_up())
    assert any("addmm" in note for note in prediction.notes)


def test_a_module_on_the_meta_device_is_predicted() -> None:
    module = nn.Linear(3, 2, device="meta")
    prediction = predict_by_replay(module, settings_of((4, 3), loss="sum", optimizer="sgd"), made_up())
    assert prediction.seconds["backward"].value > 0
