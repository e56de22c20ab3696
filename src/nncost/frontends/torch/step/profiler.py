"""A function that Python calls at each call and return, while something runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def profiled(event: Callable[[Any, str, Any], object]) -> Iterator[None]:
    """Call ``event(frame, kind, argument)`` meanwhile; a profiler that was there before is put back."""
    before = sys.getprofile()
    sys.setprofile(event)
    try:
        yield
    finally:
        sys.setprofile(before)
