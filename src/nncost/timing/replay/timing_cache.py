"""Times of operators that were measured before, kept on disk: the next network shares most of them."""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from nncost.cache import cache_folder, read_json, write_json
from nncost.timing.devices.fingerprint import fingerprint
from nncost.timing.replay.timing import Timed

SCHEMA = "nncost.operators/1"
_DIGITS = 16
_IDENTITY = ("cpu", "cores", "threads", "system", "libraries")
"""What of the fingerprint makes an operator's time another one."""


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:_DIGITS]


class TimingCache:
    """Known times by job. A file that cannot be read counts as empty, one that cannot be written is left out."""

    def __init__(self, path: Path | None = None) -> None:
        here = {name: value for name, value in fingerprint().items() if name in _IDENTITY}
        self.path = path or cache_folder() / "operators" / f"{_digest(json.dumps(here, sort_keys=True))}.json"
        self._times = _read(self.path)
        self._is_new = False

    def find(self, key: str) -> Timed | None:
        """The time of a job, if it is known."""
        return self._times.get(_digest(key))

    def keep(self, key: str, timed: Timed) -> None:
        """Remember a time."""
        self._times[_digest(key)] = timed
        self._is_new = True

    def save(self) -> None:
        """Write what is new, whole or not at all."""
        if not self._is_new:
            return
        known = {**_read(self.path), **self._times}
        try:
            write_json(self.path, {"schema": SCHEMA, "times": {key: asdict(timed) for key, timed in known.items()}})
        except OSError:
            return  # a cache that cannot be kept costs time, nothing else
        self._is_new = False


def _read(path: Path) -> dict[str, Timed]:
    content: Any = read_json(path)
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        return {}
    try:
        return {
            key: Timed(**{name: float(v) for name, v in fields.items()}) for key, fields in content["times"].items()
        }
    except (TypeError, ValueError, KeyError, AttributeError):
        return {}
