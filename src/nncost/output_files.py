"""Files that a user asked for: written whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from nncost.errors import OptionError


def write_output(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file at once: whatever happens, there is the old one or the new one. Devices and pipes are written to.

    Raise OptionError if it cannot be written.
    """
    place = Path(path)
    if not os.fspath(path):
        raise OptionError("a file to be written has a name, received ''.")
    try:
        if place.exists() and not place.is_file():
            place.write_bytes(content)
            return
        _write(place.resolve(), content)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OptionError(f"cannot write {str(path)[:200]!r}: {reason}.") from error


def _write(place: Path, content: bytes) -> None:
    beside = place.parent / f".nncost.{token_hex(8)}"
    try:
        with beside.open("xb") as file:
            file.write(content)
        beside.replace(place)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
