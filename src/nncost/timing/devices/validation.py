"""What a file's validation found wrong, as one line a person can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

_SHOWN_FAULTS = 3
_SHOWN_VALUE = 40


def faults_in(error: ValidationError) -> str:
    """The first faults, each with its field, what was expected and what was there."""
    faults = error.errors(include_url=False, include_context=False)
    shown = [_fault(fault["loc"], fault["msg"], fault["input"], fault["type"]) for fault in faults[:_SHOWN_FAULTS]]
    rest = len(faults) - len(shown)
    return "; ".join(shown) + (f"; and {rest} more" if rest else "")


def _fault(location: tuple[int | str, ...], message: str, received: object, kind: str) -> str:
    place = ".".join(map(str, location)) or "the file"
    text = message[:1].lower() + message[1:]
    return f"{place}: {text}" + ("" if kind == "missing" else f", received {str(received)[:_SHOWN_VALUE]!r}")
