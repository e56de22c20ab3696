"""Devices without published kernels borrow the constants of one near them, as wrong as such constants are elsewhere."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

import nncost
from benchmarks import kernels
from nncost.timing.devices.catalogue import device_named
from nncost.timing.devices.efficiency import efficiency_of
from nncost.timing.kernels.choice import constants_of
from nncost.timing.kernels.constants import shipped

TABLE = tomllib.loads(
    (files("nncost.timing.devices") / "data" / "efficiency" / "generations.toml").read_text(encoding="utf-8")
)
BORROWERS = {name: each["like"] for each in TABLE["generation"].values() for name in each["devices"]}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path))


def test_the_shipped_spreads_are_the_derived_ones() -> None:
    assert (TABLE["products"], TABLE["others"]) == kernels.spreads()


@pytest.mark.parametrize("name", BORROWERS)
def test_borrowed_constants_name_their_generation(name: str) -> None:
    found = constants_of(device_named(name), "float16")
    assert found is not None
    assert (found.like, found.devices) == (BORROWERS[name], (name,))
    assert f"for {name} of the generation" in found.source
    lender = shipped()[BORROWERS[name]]
    assert found.spread == pytest.approx((1 + lender.spread) * (1 + TABLE["products"]) - 1)
    assert found.products.launch_seconds == shipped()[BORROWERS[name]].products.launch_seconds
    assert constants_of(device_named(name), "float32") is None


def test_tiles_follow_the_fastest_measured_product() -> None:
    h100, gb200 = (constants_of(device_named(name), "bfloat16") for name in ("h100", "gb200"))
    assert h100 is not None
    assert gb200 is not None
    share = (1822 / 2500) / (794.5 / 989)
    for size, tile in gb200.products.tile_shares.items():
        assert tile == pytest.approx(h100.products.tile_shares[size] * share, rel=1e-3)
    assert gb200.units > h100.units


def test_borrowed_constants_have_a_wider_interval_within_the_peak() -> None:
    for trains in (False, True):
        own, borrowed = (efficiency_of(device_named(name), "bfloat16", trains=trains) for name in ("h100", "h200"))
        assert own.kernels is not None
        assert borrowed.kernels is not None
        assert borrowed.contraction.low < own.contraction.low
        assert borrowed.bandwidth.low < own.bandwidth.low
        most = max(borrowed.kernels.products.tile_shares.values())
        assert borrowed.contraction.high * most <= max(1.0, borrowed.contraction.value * most) + 1e-12


def test_newer_attention_where_newer_kernels_are() -> None:
    modern, older = (efficiency_of(device_named(name), "bfloat16").attention for name in ("gb200", "a100"))
    assert modern is not None
    assert older is not None
    assert modern.high / modern.low > older.high / older.low, "what nobody published is wide"
    step = "1024, embedding 100 512, attention heads=8 causal, dense 10"
    prediction = nncost.predict(step, on="gb200", dtype="bfloat16", batch=8)
    assert "generation blackwell" in prediction.device["efficiency"]["source"]
