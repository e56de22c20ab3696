"""Published tokens a second are what memory allows at most, and one share for each device says them."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from statistics import median

import pytest

import nncost
from benchmarks import decode
from nncost.timing.devices.catalogue import device_named
from nncost.timing.devices.decode import any_reading_share, reading_share
from nncost.timing.devices.efficiency import efficiency_of


def test_weights_are_those_of_the_model() -> None:
    parameters = decode.weight_bytes() // decode.BYTES + decode.VOCABULARY * decode.WIDTH
    assert parameters == 8_030_261_248


def test_no_row_is_faster_than_memory_allows() -> None:
    rows = decode.rows()
    assert len(rows) == 36
    assert all(0 < row.share <= 1 for row in rows)
    assert {row.tokens for row in rows} == {512, 1024, 4096, 8192}


def test_longer_contexts_read_more() -> None:
    short, long = decode.Row("A40 48GB", 512, 1.0), decode.Row("A40 48GB", 8192, 1.0)
    assert long.bytes - short.bytes == 2 * 2 * 32 * 8 * 128 * (8192 - 512) / 2


def test_one_share_for_each_device_says_its_rows() -> None:
    by_device = decode.by_device()
    assert len(by_device) == 9
    for way in (decode.errors, decode.left_out):
        found = [error for mine in by_device.values() for error in way(mine)]
        assert median(found) <= 0.08
        assert max(found) <= 0.15


def test_the_shipped_shares_are_the_derived_ones() -> None:
    text = (files("nncost.timing.devices") / "data" / "efficiency" / "decode.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text) == tomllib.loads("\n".join(decode.shares_toml()))


def test_products_read_at_the_published_share() -> None:
    m3 = device_named("m3-max")
    reading = reading_share(m3)
    assert reading is not None
    assert reading.low < reading.value < reading.high == any_reading_share().high
    assert efficiency_of(m3, "float32").reading == reading
    prediction = nncost.predict("4096, dense 4096", on="m3-max", loss="none")
    causes = prediction.rows[0].causes
    assert causes["memory"] == pytest.approx(
        4 * (4096 * 4096 + 3 * 4096) / (m3.bandwidth_bytes_per_second * reading.value)
    )


def test_devices_without_rows_read_as_any() -> None:
    assert reading_share(device_named("mi300x")) is None
    assert efficiency_of(device_named("mi300x"), "float16").reading == any_reading_share()


def test_a_share_with_launches_in_it_widens_only() -> None:
    """Published tokens of the A100 PCIe are slow for their launches: kernels alone read faster than that."""
    found = efficiency_of(device_named("a100-pcie"), "float16", trains=False)
    own = reading_share(device_named("a100-pcie"))
    assert own is not None
    assert found.kernels is not None
    assert found.reading is not None
    assert found.reading.value == 1.0
    assert found.reading.low * found.kernels.products.bandwidth_share == pytest.approx(own.low)
