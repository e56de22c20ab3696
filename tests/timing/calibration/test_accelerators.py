"""Calibration of a CUDA device: with a made-up one, whose products take what some constants say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from nncost.cli import calibrate as command
from nncost.counting.products import Product
from nncost.records import replace
from nncost.timing.accelerator import Accelerator
from nncost.timing.calibration import accelerators
from nncost.timing.calibration.accelerators import SHAPES, Calibrated, calibrate_accelerators
from nncost.timing.devices.catalogue import device_named
from nncost.timing.fitting.times import FEWEST_ROWS
from nncost.timing.kernels.choice import constants_of
from nncost.timing.kernels.seconds import product_seconds
from tests.timing.measure.test_accelerator import MadeUp, cuda

__all__ = ["cuda"]


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A machine with two equal devices; the list tells which products were timed."""
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(accelerators, "free_bytes", lambda device: 10**12)
    _called(monkeypatch, "NVIDIA A100-SXM4-80GB")
    timed: list[str] = []
    device = device_named("a100")
    kernels = constants_of(device, "float16")
    assert kernels is not None
    slow = replace(kernels.products, launch_seconds=3 * kernels.products.launch_seconds)

    def seconds_of(product: Product, on: Any, dtype: str) -> float:
        timed.append(f"{product} on {on} in {dtype}")
        return float(
            product_seconds(product, 2, slow, kernels.units, device.peaks[dtype], device.bandwidth_bytes_per_second)
        )

    monkeypatch.setattr(accelerators, "seconds_of", seconds_of)
    return timed


def _called(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(accelerators, "accelerator_of", lambda device: Accelerator(name, "8.0", "", 80_000_000_000))


def test_without_a_device_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert calibrate_accelerators() == []


def test_constants_are_fitted_to_the_products_of_the_device(there: list[str], tmp_path: Path) -> None:
    told: list[str] = []
    before = constants_of(device_named("a100"), "bfloat16")
    (found,) = calibrate_accelerators(lambda what, done, of: told.append(what))  # equal devices are one
    assert len(there) == len(told) == len(SHAPES)
    assert found.fitted is not None
    assert found.fitted.left_out.median < 0.02 < found.fitted.before.median
    assert found.path == tmp_path / "devices" / "a100.toml"
    after = constants_of(device_named("a100"), "bfloat16")
    assert before is not None
    assert after is not None
    assert after.products.launch_seconds == pytest.approx(3 * before.products.launch_seconds, rel=0.25)
    assert calibrate_accelerators()[0].fitted is not None  # its own file may be replaced
    assert "as fitted and left out" in command._fit_text(found)


def test_why_there_are_no_constants(there: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(accelerators, "free_bytes", lambda device: 10**5)
    (scarce,) = calibrate_accelerators()
    assert scarce.reason == f"0 products could be timed, {FEWEST_ROWS} are needed"
    monkeypatch.setattr(accelerators, "free_bytes", lambda device: 10**12)
    monkeypatch.setattr(accelerators, "seconds_of", lambda product, on, dtype: 1e-12)
    assert "0 products could be timed" in calibrate_accelerators()[0].reason  # faster than the peak: mistimed
    _called(monkeypatch, "NVIDIA GeForce MX 450")
    assert calibrate_accelerators() == [
        Calibrated(
            "NVIDIA GeForce MX 450", reason="the catalogue does not know it; nncost docs devices says how to add it"
        )
    ]
    assert not (tmp_path / "devices").exists()


def test_a_product_is_timed_by_the_clock_of_the_device(cuda: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    made = torch.randn

    def on_the_processor(*sizes: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        del device
        return made(*sizes, dtype=dtype)

    monkeypatch.setattr(torch, "randn", on_the_processor)
    seconds = accelerators.seconds_of(Product(2, 3, 4), torch.device("cuda:0"), "float16")
    assert seconds == pytest.approx(1e-3 / 15)  # readings are a millisecond apart: fifteen calls in five of them
    assert cuda.calls.count("wait") == 2 * (1 + 3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_a_real_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NNCOST_CACHE", str(tmp_path))
    for each in calibrate_accelerators():
        assert each.fitted is None or each.fitted.left_out.median < 1
