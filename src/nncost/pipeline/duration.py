"""A duration that a user wrote: ``5``, ``5s``, ``500ms``, ``2min``."""

from __future__ import annotations

import re
from math import isfinite
from typing import Any

from nncost.errors import OptionError

_UNITS = {
    "": 1.0,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "min": 60.0,
    "minutes": 60.0,
    "m": 60.0,
    "h": 3600.0,
}
_WRITTEN = re.compile(r"\s*(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})\s*([a-z]*)\s*\Z", re.IGNORECASE | re.ASCII)
_SHOWN = 40
MOST_SECONDS = 86_400.0
"""A day: nobody waits longer for a prediction."""


def duration(name: str, value: Any) -> float:
    """Return the seconds. Raise OptionError for anything but a duration from 0 to a day."""
    seconds = _seconds(value)
    if seconds is None or not isfinite(seconds) or not 0 <= seconds <= MOST_SECONDS:
        raise OptionError(
            f"{name} is a time from 0 to a day, received {str(value)[:_SHOWN]!r}.",
            hint=f"For example: {name} 5s, 500ms or 2min; 0 for none.",
        )
    return seconds


def _seconds(value: Any) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if abs(value) <= MOST_SECONDS else None
    written = _WRITTEN.match(value) if isinstance(value, str) else None
    factor = None if written is None else _UNITS.get(written[2].lower())
    return None if written is None or factor is None else float(written[1]) * factor
