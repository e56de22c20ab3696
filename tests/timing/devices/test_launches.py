"""Launches by kind of device: none of a GPU's on a processor, wide where nothing is known, and compiled ones shorter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import nncost
from nncost.timing.devices.catalogue import catalogue, device_named
from nncost.timing.devices.launches import launches_of
from nncost.timing.devices.shares import Share

LABELS = {"published", "recalled", "assumed"}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path))


def test_every_device_has_launches_with_a_source() -> None:
    for device in catalogue():
        launches = launches_of(device)
        assert launches.source
        assert launches.label in LABELS
        assert launches.name != "other", device.name
        for compiled in (False, True):
            seconds = launches.seconds(compiled=compiled)
            assert 0 <= seconds.low < seconds.value < seconds.high < 1e-3
        assert launches.seconds(compiled=True).value <= launches.seconds(compiled=False).value


def test_a_processor_has_none_of_a_gpu() -> None:
    processor, gpu = (launches_of(device_named(name)) for name in ("raspberry-pi-5", "h100"))
    assert processor.name != gpu.name
    assert processor.seconds(compiled=False).value < gpu.seconds(compiled=False).value
    prediction = nncost.predict("4-4", on="raspberry-pi-5", loss="none")
    assert prediction.device["launches"]["label"] == "published"
    assert "CUDA" not in prediction.device["launches"]["source"]


def test_wide_where_nothing_is_known() -> None:
    widths = {}
    for name in ("h100", "mi300x", "m3-max"):
        seconds = launches_of(device_named(name)).seconds(compiled=False)
        widths[name] = seconds.high / seconds.low
    assert widths["h100"] < widths["mi300x"] < widths["m3-max"]


def test_a_device_of_nobody() -> None:
    own = replace(device_named("h100"), name="abacus", vendor="Counting House")
    assert launches_of(own).name == "other"
    assert launches_of(replace(own, kind="cpu")).name == "processor"


def test_devices_that_compile_always() -> None:
    assert {device.kind for device in catalogue() if launches_of(device).always_compiled} == {"tpu", "accelerator"}
    tpu = launches_of(device_named("tpu-v5e"))
    assert tpu.seconds(compiled=False) == tpu.seconds(compiled=True)


def test_a_wider_share_keeps_its_value_and_its_most() -> None:
    assert Share(0.5, 1.0, 1.0).wider(0.25, most=1.1) == Share(0.4, 1.0, 1.1)
    assert Share(0.5, 1.0, 1.0).wider(0.25, most=0.9).high == 1.0, "never below the value"
