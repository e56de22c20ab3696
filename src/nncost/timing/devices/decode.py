"""At what share of its bandwidth a device reads weights while it generates one token after the other, as published."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from nncost.timing.devices.device import Device
from nncost.timing.devices.shares import Share, spread_of


def reading_share(device: Device) -> Share | None:
    """That of a device: from its slowest row to the most that any device reached; None where nobody published one.

    A published token holds launches and all else that a program does: without these, reading may be as fast as anywhere.
    """
    entry = _table()["device"].get(device.name)
    if entry is None:
        return None
    low, value, _ = entry["share"]
    return Share(low, value, any_reading_share().high)


def reading_source(device: Device) -> str:
    """Where the share of a device was published."""
    return str(_table()["device"][device.name]["source"])


def any_reading_share() -> Share:
    """From the least to the most that any device reached."""
    return spread_of(value for entry in _table()["device"].values() for value in entry["share"])


@cache
def _table() -> Mapping[str, Any]:
    text = (files("nncost.timing.devices") / "data" / "efficiency" / "decode.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
