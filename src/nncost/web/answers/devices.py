"""The catalogue of devices that a prediction can be for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def devices(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``devices``: names, titles, memory and the types whose rates are known."""
    from nncost.timing.devices.catalogue import catalogue

    return {
        "devices": [
            {
                "name": device.name,
                "title": device.title,
                "vendor": device.vendor,
                "kind": device.kind,
                "memory_bytes": device.memory_bytes,
                "dtypes": list(device.peaks),
            }
            for device in catalogue()
        ]
    }
