"""Answers that are kept: a network that many look at, such as a preset, is worked out once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from json import dumps
from typing import Any

_OVERHEAD = 200
"""Bytes that an entry takes besides its answer, about."""
_LARGEST = 8
"""The part of all that one answer may take."""


def key_of(name: str, request: Mapping[str, Any]) -> bytes:
    """Return what equal requests share, in whichever order their settings stand."""
    given = dumps([name, request], sort_keys=True, separators=(",", ":"))
    return blake2b(given.encode(), digest_size=16).digest()


class AnswerMemory:
    """The answers that were given last, in a limited number of bytes."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit, self._bytes = limit_bytes, 0
        self._answers: OrderedDict[bytes, bytes] = OrderedDict()

    def get(self, key: bytes) -> bytes | None:
        """Return an answer that is kept."""
        found = self._answers.get(key)
        if found is not None:
            self._answers.move_to_end(key)
        return found

    def keep(self, key: bytes, answer: bytes) -> None:
        """Keep an answer; those that were not asked for longest make room."""
        size = len(answer) + _OVERHEAD
        if size > self._limit // _LARGEST or key in self._answers:
            return
        self._answers[key] = answer
        self._bytes += size
        while self._bytes > self._limit:
            _, oldest = self._answers.popitem(last=False)
            self._bytes -= len(oldest) + _OVERHEAD

    @property
    def bytes_kept(self) -> int:
        """How many bytes are kept."""
        return self._bytes
