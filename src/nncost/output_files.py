"""Files that a user asked for: written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from secrets import token_hex

from nncost.errors import OptionError

_LONGEST = 100
"""Characters of a file's name that its temporary neighbour repeats."""


def write_output(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file at once: whatever happens, there is the old one or the new one. Devices and pipes are written to.

    Raise OptionError if it cannot be written.
    """
    place = Path(path)
    try:
        if place.exists() and not place.is_file():
            place.write_bytes(content)
            return
        _write(place.resolve(), content)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OptionError(f"cannot write {str(path)[:200]!r}: {reason}.") from error


def _write(place: Path, content: bytes) -> None:
    beside = place.parent / f".{place.name[:_LONGEST]}.{token_hex(4)}"
    try:
        with beside.open("xb") as file:
            file.write(content)
        beside.replace(place)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
