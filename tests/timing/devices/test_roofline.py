"""A prediction by hand on a device with round numbers, and what every prediction must satisfy."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

import nncost
from nncost.timing.devices.catalogue import catalogue
from nncost.timing.devices.device import Device
from nncost.timing.devices.efficiency import Efficiency, efficiency_of
from nncost.timing.devices.shares import Share
from nncost.timing.prediction import CAUSES
from nncost.timing.roofline import predict_on
from nncost.timing.row_cost import work_of


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path))


ROUND = Device(
    name="round", title="Round", vendor="nobody", kind="gpu", memory_bytes=10**9, bandwidth_bytes_per_second=1e6,
    peaks={"float32": 1e9}, reliability="made up", source="this test", date=date(2026, 1, 1), tdp_watts=100,
)  # fmt: skip


def shares(contraction: float = 1.0, bandwidth: float = 1.0, launch: float = 0.0) -> Efficiency:
    return Efficiency(*(Share(share / 2, share, share * 2) for share in (contraction, bandwidth, launch)), "this test")


def test_a_dense_layer_by_hand() -> None:
    """1,000 → 500 at batch 1,000: 10⁹ flops take 1 s, at half the peak 2 s; 4·(10⁶ + 5·10⁵ + 500 + 5·10⁵) bytes take 8.002 s."""
    report = nncost.count("1000, dense 500", batch=1_000, loss="none")
    prediction = predict_on(report, ROUND, shares())
    assert prediction.seconds["forward"].value == pytest.approx(8.002)
    assert prediction.rows[0].bound == "memory"
    assert prediction.rows[0].causes == pytest.approx({"arithmetic": 0, "memory": 8.002, "overhead": 0})
    fast = replace(ROUND, bandwidth_bytes_per_second=1e9)
    prediction = predict_on(report, fast, shares(contraction=0.5))
    assert prediction.seconds["forward"].value == pytest.approx(2.0)
    assert prediction.rows[0].bound == "arithmetic"
    assert prediction.mfu == pytest.approx(0.5)
    assert prediction.joules == pytest.approx(100 * prediction.seconds["step"].value)


def test_a_tiny_network_waits_for_launches() -> None:
    report = nncost.count("4-4", loss="none")
    prediction = predict_on(report, replace(ROUND, bandwidth_bytes_per_second=1e12), shares(launch=0.25))
    assert prediction.seconds["step"].to_list() == pytest.approx([0.25, 0.5, 1.0])
    assert {row.bound for row in prediction.rows} == {"overhead"}


@pytest.mark.parametrize(
    "spec", ["784-16-16-10", "3x8x8, conv 4 3x3, batchnorm, relu, flatten, dense 10", "8x4, lstm 3, dense 2"]
)
@pytest.mark.parametrize("on", ["h100", "rtx4090", "mi300x", "raspberry-pi-5"])
def test_parts_add_up_and_intervals_hold_their_value(spec: str, on: str) -> None:
    prediction = nncost.predict(spec, on=on, batch=8, examples=80, epochs=3)
    seconds = prediction.seconds
    assert list(seconds) == ["forward", "backward", "update", "step", "run"]
    for name in seconds:
        assert 0 < seconds[name].low <= seconds[name].value <= seconds[name].high
    parts = [seconds[phase].value for phase in ("forward", "backward", "update")]
    assert seconds["step"].value == pytest.approx(sum(parts))
    assert seconds["step"].value == pytest.approx(sum(row.seconds.value for row in prediction.rows))
    assert seconds["run"].value == pytest.approx(30 * seconds["step"].value)
    for row in prediction.rows:
        assert sum(row.causes.values()) == pytest.approx(row.seconds.value)
        assert row.causes[row.bound] == max(row.causes.values())
        assert set(row.causes) <= set(CAUSES)
    assert prediction.label == "estimated"
    assert prediction.device["source"]


def test_more_work_never_takes_less_time() -> None:
    steps = [nncost.predict("784-512-512-10", on="h100", batch=2**n).seconds["step"].value for n in range(16)]
    assert steps == sorted(steps)
    assert steps[-1] > 10 * steps[0]


def test_nothing_is_faster_than_its_peak() -> None:
    for device in catalogue():
        for dtype in {"float32", "bfloat16"} & set(device.peaks):
            prediction = nncost.predict("1024-4096*4-1024", on=device.name, batch=4096, dtype=dtype)
            assert prediction.mfu is not None
            assert 0 < prediction.mfu < 1
            for row in prediction.rows:
                assert row.peak_share is None or 0 < row.peak_share < 1


def test_shares_come_from_the_device_or_from_those_measured() -> None:
    by_name = {device.name: device for device in catalogue()}
    a100 = efficiency_of(by_name["a100"], "bfloat16")
    assert a100.kernels is not None
    assert (a100.contraction.value, a100.kernels.units) == (1.14, 108)
    assert "vidur" in a100.source
    assert "MPT" in a100.source
    alone = efficiency_of(by_name["a100"], "bfloat16", trains=False)
    assert alone.contraction.value == alone.bandwidth.value == 1.0
    a40 = efficiency_of(by_name["a40"], "float16").contraction
    assert (a40.low, a40.high) == (0.75, 1.21), "steps on both other devices"
    mi300x = efficiency_of(by_name["mi300x"], "bfloat16").contraction
    assert mi300x.low < mi300x.value < mi300x.high < by_name["mi300x"].measured_matmul[0].share
    unmeasured = efficiency_of(by_name["v100"], "float16")
    assert unmeasured.contraction.low <= mi300x.low
    assert unmeasured.contraction.high > mi300x.high
    assert "MAMF" in efficiency_of(by_name["mi300x"], "bfloat16").source


def test_fused_attention_writes_no_scores() -> None:
    spec = "1024, embedding 100 64, attention heads=4 causal, dense 10"
    report = nncost.count(spec, dtype="bfloat16", loss="cross_entropy")
    scores = 2 * 4 * 1024**2
    for phase in ("forward", "backward"):
        apart, fused = (
            sum(work.bytes for works in work_of(report, accelerator=kind) for work in works if work.op == "attention" and work.phase == phase)
            for kind in (False, True)
        )  # fmt: skip
        assert apart > 2 * scores
        assert fused == (4 if phase == "forward" else 8) * 1024 * 64 * 2
    macs = sum(work.contraction_flops for works in work_of(report, accelerator=True) for work in works)
    assert macs == 2 * report.step.macs


def test_forward_alone_has_zeros_and_says_so() -> None:
    prediction = nncost.predict("784-16-10", on="h100", loss="none")
    assert prediction.seconds["backward"].to_list() == prediction.seconds["update"].to_list() == [0, 0, 0]
    assert any("forward pass alone" in note for note in prediction.notes)


def test_a_symbol_needs_a_number() -> None:
    with pytest.raises(nncost.NncostError, match="these sizes have none: h") as raised:
        nncost.predict("784-h-10", on="h100")
    assert "--symbol" in str(raised.value)
    assert nncost.predict("784-h-10", on="h100", symbols={"h": 16}).seconds["step"].value > 0
    with pytest.raises(nncost.NncostError, match="number of examples"):
        nncost.predict("784-16-10", on="h100", examples="N")


def test_memory_is_the_reports_and_may_be_too_much() -> None:
    fits, bursts = (nncost.predict("784-4096-4096-10", on="a10", batch=2**n) for n in (5, 22))
    assert fits.memory["peak_bytes"] == nncost.count("784-4096-4096-10", batch=32).memory.step_peak
    assert (fits.memory["fits"], bursts.memory["fits"]) == (True, False)
    assert fits.memory["capacity_bytes"] == 24 * 10**9
    from nncost.views.predict import predict_document

    assert "fits into 24.0 GB" in str(predict_document(fits))
    assert "does NOT fit into 24.0 GB" in str(predict_document(bursts))


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_time_steps_wait_for_each_other(kind: str) -> None:
    for length in (10, 1_000):
        report = nncost.count(f"{length}x64, {kind} 128 last, dense 2", batch=4)
        prediction = predict_on(
            report, replace(ROUND, bandwidth_bytes_per_second=1e15, peaks={"float32": 1e18}), shares(launch=1.0)
        )
        seconds = {row.phase: row.seconds.value for row in prediction.rows if row.op == kind}
        assert seconds == {"forward": length, "backward": 3 * length}


def test_a_modules_time_steps_wait_too() -> None:
    torch = pytest.importorskip("torch")
    report = nncost.count(torch.nn.LSTM(64, 128, 2, bidirectional=True, batch_first=True), (4, 1_000, 64))
    (works,) = (works for works in work_of(report, accelerator=True) if works[0].phase == "forward")
    assert works[0].kernels == 1_000


def test_what_no_device_can_do_is_refused() -> None:
    with pytest.raises(nncost.NncostError, match="too large for a prediction"):
        nncost.predict(f"{10**90}-{10**90}", on="h100")
    with pytest.raises(nncost.NncostError, match="too large for a prediction"):
        nncost.explain(f"{10**90}-{10**90}", "time")
    assert nncost.predict(f"{10**30}-{10**30}", on="h100").seconds["step"].value > 10**40
    with pytest.raises(nncost.NncostError, match="received 7"):
        nncost.predict("784-10", on=7)  # type: ignore[arg-type]


def test_gathered_gradients_launch_their_kernels_again() -> None:
    device = replace(ROUND, bandwidth_bytes_per_second=1e15, peaks={"float32": 1e18})
    once, thrice = (
        predict_on(nncost.count("8x4, lstm 3, dense 2", batch=2, accumulate=k), device, shares(launch=1.0)).seconds
        for k in (1, 3)
    )
    assert thrice["forward"].value == 3 * once["forward"].value
    assert thrice["backward"].value >= 3 * once["backward"].value
    assert thrice["update"].value == once["update"].value
