"""A clock that can be stopped: what happens meanwhile takes no time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Seconds since some moment, without those in which it was stopped."""

    def __init__(self) -> None:
        self._stopped, self._depth = 0.0, 0

    def __call__(self) -> float:
        """The seconds now."""
        return time.perf_counter() - self._stopped

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the clock while it lasts; inside of another stop it changes nothing."""
        begun = time.perf_counter()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self._stopped += time.perf_counter() - begun
