"""Times of operators that were measured before, kept on disk: the next network shares most of them.

Each is kept with the seconds that fixed reference work took then. One that was taken while the machine was busy with
something else does not fit a quiet machine, and is taken again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from nncost.cache import cache_folder, read_json, write_json
from nncost.records import record
from nncost.timing.devices.fingerprint import fingerprint
from nncost.timing.measure.reference import Reference
from nncost.timing.replay.timing import Timed

SCHEMA = "nncost.operators/3"
FITS = 1.5
"""How many times as long as usual the reference work may take for what is measured then to be believed."""
_DIGITS = 16
_IDENTITY = ("cpu", "cores", "threads", "system", "libraries")
"""What of the fingerprint makes an operator's time another one."""
_SECONDS_BETWEEN_REFERENCES = 0.25


@record
class Remembered:
    """An operator's time, and the seconds of the reference work when it was taken."""

    timed: Timed
    reference: float


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:_DIGITS]


class TimingCache:
    """Known times by job. A file that cannot be read counts as empty, one that cannot be written is left out.

    ``usual`` is what the reference work takes while nothing else runs; None where that is not known, and every time fits.
    """

    def __init__(
        self, path: Path | None = None, usual: float | None = None, reference: Callable[[], float] | None = None
    ) -> None:
        here = {name: value for name, value in fingerprint().items() if name in _IDENTITY}
        self.path = path or cache_folder() / "operators" / f"{_digest(json.dumps(here, sort_keys=True))}.json"
        self.usual, self.slowest = usual, 0.0
        self._times = _read(self.path)
        self._is_new = False
        self._measure = reference
        self._reference, self._measured_at = 0.0, float("-inf")

    def find(self, key: str) -> Timed | None:
        """The time of a job, if it is known and fits."""
        known = self._times.get(_digest(key))
        return known.timed if known is not None and self._fits(known.reference) else None

    def keep(self, key: str, timed: Timed) -> None:
        """Remember a time, which was taken just now."""
        reference = self._reference_now()
        self.slowest = max(self.slowest, reference)
        self._times[_digest(key)] = Remembered(timed, reference)
        self._is_new = True

    def forget(self) -> None:
        """Remove all that is known."""
        self._times, self._is_new = {}, False
        self.path.unlink(missing_ok=True)

    @property
    def slowdown(self) -> float | None:
        """How many times as long as usual the reference work took at worst while times were taken; None where all fit."""
        return None if self.usual is None or self._fits(self.slowest) else self.slowest / self.usual

    def _fits(self, reference: float) -> bool:
        return self.usual is None or reference <= self.usual * FITS

    def _reference_now(self) -> float:
        """The seconds of the reference work, measured again every now and then."""
        if time.monotonic() - self._measured_at > _SECONDS_BETWEEN_REFERENCES:
            self._measure = self._measure or Reference().seconds
            self._reference = min(self._measure() for _ in range(3))
            self._measured_at = time.monotonic()
        return self._reference

    def save(self) -> None:
        """Write what is new, whole or not at all."""
        if not self._is_new:
            return
        known = {**_read(self.path), **self._times}
        times = {key: {**asdict(each.timed), "reference": each.reference} for key, each in known.items()}
        try:
            write_json(self.path, {"schema": SCHEMA, "times": times})
        except OSError:
            return  # a cache that cannot be kept costs time, nothing else
        self._is_new = False


def _read(path: Path) -> dict[str, Remembered]:
    content: Any = read_json(path)
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        return {}
    try:
        return {key: _remembered(fields) for key, fields in content["times"].items()}
    except (TypeError, ValueError, KeyError, AttributeError):
        return {}


def _remembered(fields: dict[str, Any]) -> Remembered:
    numbers = {name: float(value) for name, value in fields.items()}
    reference = numbers.pop("reference")
    return Remembered(Timed(**numbers), reference)
