"""How much of its peaks a device gives a real training step: shares that published measurements imply."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from statistics import median
from typing import Any

from nncost.records import record
from nncost.timing.devices.catalogue import shipped
from nncost.timing.devices.device import Device
from nncost.timing.kernels.constants import KernelConstants, constants_of
from nncost.timing.paces import KernelPace, Pace, PlainPace


@record
class Share:
    """A part of a peak, or seconds, with the spread of what was published."""

    low: float
    value: float
    high: float

    def __mul__(self, other: Share) -> Share:
        return Share(self.low * other.low, self.value * other.value, self.high * other.high)


@record
class Efficiency:
    """Parts of the contraction peak and of the bandwidth, and the seconds each kernel's launch takes.

    With the constants of its ``kernels`` they are parts of what these reach alone; ``attention`` is that of the device's peak
    which fused attention reaches.
    """

    contraction: Share
    bandwidth: Share
    launch_seconds: Share
    source: str
    attention: Share | None = None
    kernels: KernelConstants | None = None

    def paces(self, device: Device, peak: float) -> tuple[Pace, Pace, Pace]:
        """The fast, the expected and the slow pace of the device at that peak of contractions."""
        fast, expected, slow = (
            self._pace(device, peak, rate, seconds)
            for rate, seconds in (("high", "low"), ("value", "value"), ("low", "high"))
        )
        return fast, expected, slow

    def _pace(self, device: Device, peak: float, rate: str, seconds: str) -> Pace:
        contraction, bandwidth = getattr(self.contraction, rate), getattr(self.bandwidth, rate)
        launch = getattr(self.launch_seconds, seconds)
        if self.kernels is None:
            return PlainPace(device, peak, contraction, bandwidth, launch)
        attention = contraction if self.attention is None else getattr(self.attention, rate)
        return KernelPace(device, peak, self.kernels, contraction, attention, bandwidth, launch)


def efficiency_of(device: Device, dtype: str, *, trains: bool = True) -> Efficiency:
    """The shares of a device at a dtype, in a training step or in a forward pass alone.

    Where times of kernels on it were published, the constants of these, and parts of them: what published training steps
    imply, or in a forward pass all of it. Where training steps on it were published, what they imply. Otherwise the share
    of its peak that a matrix product reached there, or on any device where nobody measured one, times the part of that which training
    reached on the devices where both are known.
    """
    table = _table()
    launch = Share(*table["launch"]["seconds"])
    kernels = constants_of(device, dtype)
    if kernels is not None:
        return _of_kernels(kernels, launch, trains=trains)
    entry = next((each for each in table["device"].values() if device.name in each["devices"]), None)
    if entry is not None:
        return Efficiency(Share(*entry["contraction"]), Share(*entry["bandwidth"]), launch, entry["source"])
    matmul, source = _matmul_share(device, dtype)
    training = _spread(part for name in table["device"] for part in training_parts(name))
    bandwidth = _spread(value for each in table["device"].values() for value in each["bandwidth"])
    return Efficiency(
        matmul * training, bandwidth, launch, f"{source}; times training on {' and '.join(table['device'])}"
    )


def _of_kernels(kernels: KernelConstants, launch: Share, *, trains: bool) -> Efficiency:
    """What kernels reach in a network of what they reach alone."""
    table = _table()["device"]
    entries = [each["of_kernels"] for each in table.values() if each["devices"][0] in kernels.devices] or [
        each["of_kernels"] for each in table.values()
    ]
    attention = _spread(value for each in entries for value in each["attention"])
    if not trains:
        alone = Share(1 / (1 + kernels.spread), 1.0, 1 + kernels.spread)
        return Efficiency(alone, alone, launch, kernels.source, attention, kernels)
    products, bandwidth = (_spread(v for each in entries for v in each[name]) for name in ("products", "bandwidth"))
    steps = " and ".join(each["source"] for each in table.values() if each["of_kernels"] in entries)
    return Efficiency(products, bandwidth, launch, f"{kernels.source}; {steps}", attention, kernels)


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
        return Share(*[own[0].share] * 3), own[0].source
    measured = [m for each in shipped() for m in each.measured_matmul]
    return _spread(m.share for m in measured), f"matrix products on {len(measured)} devices and types"


def _spread(values: Iterable[float]) -> Share:
    found = list(values)
    return Share(min(found), median(found), max(found))


@cache
def _table() -> Mapping[str, Any]:
    text = (files("nncost.timing.devices") / "data" / "efficiency" / "published.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
