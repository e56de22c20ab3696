"""What passes between two short kernels of a device: launches of a host, replays of a compiled program, calls of operations."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from nncost.records import record
from nncost.timing.devices.device import Device
from nncost.timing.devices.shares import Share


@record
class Launches:
    """Seconds from one short kernel to the next, ``eager`` and ``compiled``; none eager where a device runs compiled programs only.

    ``label`` says how they were found: published, recalled or assumed.
    """

    name: str
    compiled: Share
    label: str
    source: str
    date: date
    eager: Share | None = None

    @property
    def always_compiled(self) -> bool:
        """Whether the device runs compiled programs only."""
        return self.eager is None

    def seconds(self, *, compiled: bool) -> Share:
        """Those of a program that is compiled or of one that is not."""
        return self.compiled if compiled or self.eager is None else self.eager


def launches_of(device: Device) -> Launches:
    """Those of a device, of its vendor or of its kind, whichever is known first."""
    return next(_launches(entry) for entry in _entries() if _fits(entry, device))


def _fits(entry: Mapping[str, Any], device: Device) -> bool:
    return (
        device.name in entry.get("devices", (device.name,))
        and entry.get("vendor", device.vendor) == device.vendor
        and entry.get("kind", device.kind) == device.kind
    )


def _launches(entry: Mapping[str, Any]) -> Launches:
    eager = None if entry.get("always_compiled") else Share(*entry["eager"])
    return Launches(entry["name"], Share(*entry["compiled"]), entry["label"], entry["source"], entry["date"], eager)


@cache
def _entries() -> Sequence[Mapping[str, Any]]:
    text = (files("nncost.timing.devices") / "data" / "efficiency" / "launches.toml").read_text(encoding="utf-8")
    found: Sequence[Mapping[str, Any]] = tomllib.loads(text)["launch"]
    return found
