"""Seconds of kernels by hand, and what must hold for every shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncost.counting.products import Product
from nncost.timing.devices.catalogue import device_named
from nncost.timing.kernels.choice import constants_of
from nncost.timing.kernels.constants import ProductConstants, RowConstants, shipped
from nncost.timing.kernels.fit import fitted
from nncost.timing.kernels.seconds import (
    TILES,
    arithmetic_seconds,
    product_bytes,
    product_seconds,
    row_seconds,
    together,
)

UNITS, PEAK, BANDWIDTH = 4, 4e9, 1e6
EVEN = ProductConstants(1.0, 0.5, 0.0, 0.0, dict.fromkeys((rows * columns for rows, columns in TILES), 1.0))
"""Four units of 10⁹ flops a second, which reach their peak in every tile and lose nothing at its ends."""


def arithmetic(product: Product, constants: ProductConstants = EVEN) -> float:
    return float(arithmetic_seconds(product, constants, UNITS, PEAK))


def test_waves_by_hand() -> None:
    tile = 2 * 64 * 64 * 1024 / 1e9
    assert arithmetic(Product(128, 1024, 128)) == pytest.approx(tile), "four tiles of 64 × 64, one for each unit"
    assert arithmetic(Product(128, 1024, 129)) == pytest.approx(tile * 2 * 0.75), (
        "six tiles, in halves of their sums: 12 in 3 waves"
    )
    assert arithmetic(Product(1, 1024, 1)) == pytest.approx(tile / 4), "one tile, its sums in four parts"
    assert arithmetic(Product(64, 1024, 64, copies=4)) == pytest.approx(tile), "copies are tiles of their own"


def test_waves_and_splits_cost_what_they_cost() -> None:
    dear = ProductConstants(1.0, 0.5, 0.25, 1e3, EVEN.tile_shares)
    tile = 2 * 64 * 64 * 1024 / 1e9
    assert arithmetic(Product(128, 1024, 128), dear) == pytest.approx(tile + 0.25)
    assert arithmetic(Product(1, 1024, 1), dear) == pytest.approx(tile + 0.25), "sums stay whole"


def test_bytes_and_launch() -> None:
    product = Product(2, 3, 5, copies=7)
    assert product_bytes(product, 4) == 4 * 7 * (6 + 15 + 10)
    seconds = product_seconds(product, 4, EVEN, UNITS, 1e30, BANDWIDTH)
    assert seconds == pytest.approx(1 + 4 * 7 * 31 / (BANDWIDTH * 0.5))
    assert together(3.0, 3.0) == pytest.approx(3 * 2**0.25)


def test_rows_by_hand() -> None:
    rows = RowConstants(launch_seconds=1.0, bandwidth_share=0.5, cached_share=2.0, column_seconds=1e-3)
    assert row_seconds(100, 1, 1e9, rows, 1.0, BANDWIDTH) == pytest.approx(1 + 1e9 / (BANDWIDTH * 0.5))
    assert row_seconds(100, 1, 1e6, rows, 1e12, BANDWIDTH) == pytest.approx(1 + 0.5)
    assert row_seconds(1, 5_000, 1.0, rows, 1.0, BANDWIDTH) == pytest.approx(1 + 5)
    serial = RowConstants(1.0, 0.5, 2.0, 1e-9, serial_seconds=0.1)
    few, many = (row_seconds(count, 1, 1.0, serial, 1.0, BANDWIDTH) for count in (16, 17))
    assert (few - many) == pytest.approx(1.6)


sizes = st.integers(1, 10**6)


@given(sizes, sizes, sizes, st.integers(1, 64), st.sampled_from(["m", "k", "n", "copies"]), st.integers(1, 10**6))
def test_more_work_never_takes_less_time(m: int, k: int, n: int, copies: int, name: str, more: int) -> None:
    product = Product(m, k, n, copies)
    larger = product._replace(**{name: getattr(product, name) + more})
    for each in shipped().values():
        device = device_named(each.devices[0])
        less, least = (
            product_seconds(
                size, 2, each.products, each.units, device.peak("float16"), device.bandwidth_bytes_per_second
            )
            for size in (product, larger)
        )
        assert less <= least * (1 + 1e-12)
        assert less > 2 * product.macs / device.peak("float16"), "nothing is faster than the peak"


def test_numbers_and_columns_agree() -> None:
    (each,) = (each for name, each in shipped().items() if name == "a100")
    products = [Product(1, 4096, 4096), Product(300, 100, 7), Product(4096, 8192, 57344), Product(16, 64, 16, 48)]
    columns = Product(*(np.array(size) for size in zip(*products, strict=True)))
    together_ = product_seconds(columns, 2, each.products, each.units, 312e12, 2039e9, np.minimum)
    alone = [product_seconds(product, 2, each.products, each.units, 312e12, 2039e9) for product in products]
    assert together_.tolist() == pytest.approx(alone)


def test_devices_without_published_kernels_have_no_constants() -> None:
    assert constants_of(device_named("h100"), "bfloat16") is not None
    assert constants_of(device_named("h100"), "float32") is None
    assert constants_of(device_named("raspberry-pi-5"), "float16") is None


def test_constants_are_found_again() -> None:
    sizes = np.array([1.0, 10.0, 100.0, 1_000.0])
    found = fitted(lambda c: c[0] + sizes / c[1], 3e-6 + sizes / 2e9, (1e-6, 1e9))
    assert found == pytest.approx([3e-6, 2e9], rel=0.02)
