"""What is going on while a reader waits."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

_SILENCE = 3.0
_CLEAR = "\x1b[2K\r"


@contextmanager
def saying(text: str) -> Iterator[None]:
    """Say what is going on meanwhile: at once on a terminal, elsewhere only if it lasts."""
    shown = sys.stderr is not None and sys.stderr.isatty()
    later = Timer(_SILENCE, lambda: print(f"nncost: {text} …", file=sys.stderr, flush=True))  # noqa: T201 - talk
    later.daemon = True
    if shown:
        _write(f"nncost: {text} …\r")
    elif sys.stderr is not None:
        later.start()
    try:
        yield
    finally:
        later.cancel()
        if shown:
            _write(_CLEAR)


def said(what: str, done: int, of: int) -> None:
    """A :class:`~nncost.timing.Progress` for a terminal: one line, written over."""
    if sys.stderr is not None and sys.stderr.isatty():
        _write(f"{_CLEAR}nncost: {what}, {done} of {of} …\r")


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
