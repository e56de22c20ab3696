"""Numbers in units as cells of a table."""

from __future__ import annotations

from nncost.documents.document import Number
from nncost.units import bytes_text, seconds_text

_PERCENT, _FEW = 100, 0.01


def seconds(value: float) -> Number:
    """``45.2 µs``."""
    return Number(value, seconds_text(value))


def size(value: float) -> Number:
    """``80.0 GB``."""
    return Number(value, bytes_text(value))


def ratio(value: float) -> Number:
    """``1.22``."""
    return Number(value, f"{value:.2f}")


def share(value: float) -> Number:
    """``42 %``, ``0.31 %``, ``< 0.01 %``."""
    percent = _PERCENT * value
    text = f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %" if percent >= _FEW else f"< {_FEW} %"
    return Number(value, text)
