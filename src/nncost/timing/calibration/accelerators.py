"""``calibrate`` where there is a CUDA device: matrix products of many shapes are timed on it, and the catalogue's constants fitted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import torch

from nncost.counting.products import Product
from nncost.errors import NncostError
from nncost.records import record
from nncost.timing import Progress
from nncost.timing.accelerator import CUDA, EventClock, accelerator_of, free_bytes
from nncost.timing.devices.catalogue import device_called
from nncost.timing.devices.device import Device
from nncost.timing.fitting.device_file import check_name, write_device
from nncost.timing.fitting.fitted_device import HALF, FittedDevice, fit_device, start_of
from nncost.timing.fitting.times import FASTER_THAN_PEAK, FEWEST_ROWS, TimedProduct
from nncost.timing.row_cost import FLOPS_PER_PRODUCT

_ROWS = (1, 8, 64, 256, 1024, 4096)
_MATRICES = ((1024, 1024), (4096, 1024), (4096, 4096), (4096, 11008), (8192, 8192))
SHAPES = tuple(Product(m, k, n) for k, n in _MATRICES for m in _ROWS)
"""From a decoded token to a training batch, by matrices from small to large language models."""
_WARM_UP, _LEAST_SECONDS, _MOST_CALLS, _REPEATS = 3, 5e-3, 1000, 3
_TENSORS, _BYTES_EACH = 3, 2


@record
class Calibrated:
    """What came of one CUDA device: its constants and their file, or the reason why there are none."""

    title: str
    fitted: FittedDevice | None = None
    path: Path | None = None
    reason: str = ""


def calibrate_accelerators(progress: Progress | None = None) -> list[Calibrated]:
    """Fit the constants of each CUDA device that the catalogue knows; nothing where there is no CUDA device."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    titles: dict[str, torch.device] = {}
    for number in range(count):
        device = torch.device(CUDA, number)
        titles.setdefault(accelerator_of(device).name, device)
    return [_calibrated(title, device, progress) for title, device in titles.items()]


def _calibrated(title: str, device: torch.device, progress: Progress | None) -> Calibrated:
    known = device_called(title)
    if known is None:
        return Calibrated(title, reason="the catalogue does not know it; nncost docs devices says how to add it")
    dtype = next((name for name in reversed(HALF) if name in known.peaks), None)
    try:
        check_name(known.name, known)
        start_of(known)
        times = [] if dtype is None else list(timed_products(device, known, dtype, progress))
        if len(times) < FEWEST_ROWS:
            return Calibrated(title, reason=f"{len(times)} products could be timed, {FEWEST_ROWS} are needed")
        today = datetime.now().astimezone().date().isoformat()
        fitted = fit_device(known, known.name, times, f"{len(times)} products timed by nncost calibrate, {today}")
        return Calibrated(title, fitted, write_device(fitted.device))
    except NncostError as error:
        return Calibrated(title, reason=error.message)


def timed_products(
    device: torch.device, known: Device, dtype: str, progress: Progress | None = None
) -> Iterator[TimedProduct]:
    """The products of :data:`SHAPES` that fit into the device's memory; those beyond its peak were mistimed and left out."""
    for number, product in enumerate(SHAPES):
        if progress is not None:
            progress(f"matrix products on {device}", number, len(SHAPES))
        if _TENSORS * _BYTES_EACH * max(product.m * product.k, product.k * product.n) > free_bytes(device):
            continue
        seconds = seconds_of(product, device, dtype)
        if FLOPS_PER_PRODUCT * product.macs <= FASTER_THAN_PEAK * known.peaks[dtype] * seconds:
            yield TimedProduct(product, dtype, seconds, number)


def seconds_of(product: Product, device: torch.device, dtype: str) -> float:
    """The seconds of one product on a device: the best of some rounds, each of calls in a row."""
    kind = getattr(torch, dtype)
    left = torch.randn(product.m, product.k, dtype=kind, device=device)
    right = torch.randn(product.k, product.n, dtype=kind, device=device)
    clock = EventClock(device)

    def calls(count: int) -> float:
        begun = clock()
        for _ in range(count):
            torch.mm(left, right)
        return (clock() - begun) / count

    each = calls(_WARM_UP)
    count = max(1, min(_MOST_CALLS, int(_LEAST_SECONDS / max(each, 1e-9))))
    return min(calls(count) for _ in range(_REPEATS))
