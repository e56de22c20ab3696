"""How much of its peaks a device gives a real training step: shares that published measurements imply."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from nncost.records import record
from nncost.timing.devices.catalogue import shipped
from nncost.timing.devices.decode import any_reading_share, reading_share
from nncost.timing.devices.device import Device
from nncost.timing.devices.launches import launches_of
from nncost.timing.devices.shares import Share, exactly, spread_of
from nncost.timing.kernels.choice import constants_of
from nncost.timing.kernels.constants import KernelConstants
from nncost.timing.paces import KernelPace, Pace, PlainPace


@record
class Efficiency:
    """Parts of the contraction peak and of the bandwidth, and the seconds each kernel's launch takes.

    ``reading`` is the share of the bandwidth at which products read what they multiply, where it is not ``bandwidth``. With the
    constants of its ``kernels`` they are parts of what these reach alone; ``attention`` is that of the device's peak which
    fused attention reaches.
    """

    contraction: Share
    bandwidth: Share
    launch_seconds: Share
    source: str
    attention: Share | None = None
    kernels: KernelConstants | None = None
    reading: Share | None = None

    def paces(self, device: Device, peak: float) -> tuple[Pace, Pace, Pace]:
        """The fast, the expected and the slow pace of the device at that peak of contractions."""
        fast, expected, slow = (
            self._pace(device, peak, rate, seconds)
            for rate, seconds in (("high", "low"), ("value", "value"), ("low", "high"))
        )
        return fast, expected, slow

    def _pace(self, device: Device, peak: float, rate: str, seconds: str) -> Pace:
        contraction, bandwidth = getattr(self.contraction, rate), getattr(self.bandwidth, rate)
        reading = getattr(self.reading or self.bandwidth, rate)
        launch = getattr(self.launch_seconds, seconds)
        if self.kernels is None:
            return PlainPace(device, peak, contraction, bandwidth, reading, launch)
        attention = contraction if self.attention is None else getattr(self.attention, rate)
        return KernelPace(device, peak, self.kernels, contraction, attention, bandwidth, reading, launch)


def efficiency_of(device: Device, dtype: str, *, trains: bool = True, compiled: bool = False) -> Efficiency:
    """The shares of a device at a dtype, in a training step or in a forward pass alone, called by a framework or ``compiled``.

    Where times of kernels on it or on a device near it were published, the constants of these, and parts of them: what
    published training steps imply, or in a forward pass all of it. Where training steps on it were published, what they
    imply. Otherwise the share of its peak that a matrix product reached there, or on any device where nobody measured one,
    times the part of that which training reached on the devices where both are known.
    """
    launch = launches_of(device).seconds(compiled=compiled)
    kernels = constants_of(device, dtype)
    if kernels is not None:
        return _of_kernels(device, kernels, launch, trains=trains)
    steps = _table()["device"]
    reading = reading_share(device) or any_reading_share()
    entry = next((each for each in steps.values() if device.name in each["devices"]), None)
    if entry is not None:
        return Efficiency(
            Share(*entry["contraction"]), Share(*entry["bandwidth"]), launch, entry["source"], reading=reading
        )
    matmul, source = _matmul_share(device, dtype)
    training = spread_of(part for name in steps for part in training_parts(name))
    bandwidth = spread_of(value for each in steps.values() for value in each["bandwidth"])
    source = f"{source}; times training on {' and '.join(steps)}"
    return Efficiency(matmul * training, bandwidth, launch, source, reading=reading)


def _of_kernels(device: Device, kernels: KernelConstants, launch: Share, *, trains: bool) -> Efficiency:
    """What kernels reach in a network of what they reach alone, never more than the device's peak and bandwidth."""
    table = _table()["device"]
    known = {*kernels.devices, kernels.like}
    entries = [each for each in table.values() if each["devices"][0] in known] or list(table.values())
    attention = (
        _attention(device.name)
        or _attention(kernels.like)
        or spread_of(value for each in entries for value in each["of_kernels"]["attention"])
    )
    products = bandwidth = exactly(1.0)
    sources = [kernels.source]
    if trains:
        products, bandwidth = (
            spread_of(v for each in entries for v in each["of_kernels"][name]) for name in ("products", "bandwidth")
        )
        sources += dict.fromkeys(each["source"] for each in entries)
    reading = bandwidth
    if kernels.like or not trains:
        others = kernels.spread if kernels.rows_spread is None else kernels.rows_spread
        products = products.wider(kernels.spread, 1 / max(kernels.products.tile_shares.values()))
        reading = reading.wider(kernels.spread, 1 / kernels.products.bandwidth_share)
        bandwidth = bandwidth.wider(others, 1 / max(rows.bandwidth_share for rows in kernels.rows.values()))
        slowest = reading_share(device)
        if slowest is not None:
            alone = kernels.products.bandwidth_share
            reading = Share(
                min(reading.low, slowest.low / alone),
                max(reading.value, slowest.value / alone if not trains else 0.0),
                reading.high,
            )
    return Efficiency(products, bandwidth, launch, "; ".join(sources), attention, kernels, reading)


def _attention(device: str) -> Share | None:
    """What attention of today reaches on devices that newer kernels were written for; None for others."""
    entries = _table()["attention"].values()
    return next((Share(*each["share"]) for each in entries if device in each["devices"]), None)


def training_parts(name: str) -> list[float]:
    """Low, value and high of how much of the fastest measured product a training step's contractions reach."""
    entry = _table()["device"][name]
    measured = next(m.share for m in _shipped(name).measured_matmul if m.dtype == entry["dtype"])
    return [share / measured for share in entry["contraction"]]


def _shipped(name: str) -> Device:
    return next(device for device in shipped() if device.name == name)


def _matmul_share(device: Device, dtype: str) -> tuple[Share, str]:
    """The share that was measured on the device at the dtype, at another one, or on all devices together."""
    own = sorted(device.measured_matmul, key=lambda m: m.dtype != dtype)
    if own:
        return exactly(own[0].share), own[0].source
    measured = [m for each in shipped() for m in each.measured_matmul]
    return spread_of(m.share for m in measured), f"matrix products on {len(measured)} devices and types"


@cache
def _table() -> Mapping[str, Any]:
    text = (files("nncost.timing.devices") / "data" / "efficiency" / "published.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
