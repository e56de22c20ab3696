"""An end to what takes long: it is noticed whenever progress is told."""

from __future__ import annotations

import time

from nncost.timing import Progress


class OutOfTimeError(Exception):
    """The moment has come, and the work is not done."""


def until(end: float, tell: Progress | None = None) -> Progress:
    """Progress that is told on, until the moment ``end`` of ``time.perf_counter``; then it raises OutOfTimeError."""

    def progress(what: str, done: int, of: int) -> None:
        if time.perf_counter() > end:
            raise OutOfTimeError
        if tell is not None:
            tell(what, done, of)

    return progress
