"""How much of its peaks a device gives a real training step: shares that published measurements imply."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from nncost.devices.device import Device

OTHERS = "others"
"""The entry for devices nobody published a training step of."""


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a peak, or seconds, with the spread of what was published."""

    low: float
    value: float
    high: float


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Parts of the contraction peak and of the bandwidth, and the seconds each kernel's launch takes."""

    contraction: Share
    bandwidth: Share
    launch_seconds: Share
    source: str


def efficiency_of(device: Device) -> Efficiency:
    """The shares of a device: those published for it, else what is common to all that were."""
    table = _table()
    return table.get(device.name, table[OTHERS])


@cache
def _table() -> dict[str, Efficiency]:
    text = (files("nncost.devices") / "data" / "efficiency" / "published.toml").read_text(encoding="utf-8")
    content = tomllib.loads(text)
    launch = Share(*content["launch"]["seconds"])
    return {
        name: Efficiency(Share(*entry["contraction"]), Share(*entry["bandwidth"]), launch, entry["source"])
        for name, entry in content["device"].items()
    }
