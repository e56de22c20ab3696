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
    """Parts of the contraction peak and of the bandwidth, and the seconds each kernel's launch takes."""

    contraction: Share
    bandwidth: Share
    launch_seconds: Share
    source: str


def efficiency_of(device: Device, dtype: str) -> Efficiency:
    """The shares of a device at a dtype.

    Where training steps on it were published, what they imply. Otherwise the share of its peak that a matrix
    product reached there, or on any device where nobody measured one, times the part of that which training
    reached on the devices where both are known.
    """
    table = _table()
    launch = Share(*table["launch"]["seconds"])
    entry = next((each for each in table["device"].values() if device.name in each["devices"]), None)
    if entry is not None:
        return Efficiency(Share(*entry["contraction"]), Share(*entry["bandwidth"]), launch, entry["source"])
    matmul, source = _matmul_share(device, dtype)
    training = _spread(part for name in table["device"] for part in training_parts(name))
    bandwidth = _spread(value for each in table["device"].values() for value in each["bandwidth"])
    return Efficiency(
        matmul * training, bandwidth, launch, f"{source}; times training on {' and '.join(table['device'])}"
    )


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
