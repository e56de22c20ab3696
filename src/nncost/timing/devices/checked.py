"""Devices that were checked before, as plain data: read where pydantic is not, as in a browser."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date

from nncost.timing.devices.device import Device, MeasuredMatmul

FILE = "checked.json"
"""Its name beside the device files, which it stands for where it is there."""


def as_text(devices: Iterable[Device]) -> str:
    """Return devices as JSON, with every field."""
    rows = ({**asdict(device), "date": device.date.isoformat()} for device in devices)
    return json.dumps(list(rows), ensure_ascii=False, separators=(",", ":"))


def devices_in(text: str) -> tuple[Device, ...]:
    """Return the devices that :func:`as_text` wrote."""
    return tuple(
        Device(
            **{
                **row,
                "date": date.fromisoformat(row["date"]),
                "aliases": tuple(row["aliases"]),
                "measured_matmul": tuple(MeasuredMatmul(**measured) for measured in row["measured_matmul"]),
            }
        )
        for row in json.loads(text)
    )
