"""Ctrl-C ends the program, also where a library that is being imported swallows it."""

from __future__ import annotations

import os
import signal
import sys
from threading import Timer
from types import FrameType
from typing import NoReturn

from nncost.__main__ import EXIT_INTERRUPTED

_GRACE = 2.0
"""Seconds after which a program that goes on nevertheless is ended."""


def end_when_interrupted() -> None:
    """Have the first Ctrl-C raise KeyboardInterrupt, and end the program soon after if that was in vain."""
    signal.signal(signal.SIGINT, _interrupted)


def _interrupted(number: int, frame: FrameType | None) -> NoReturn:
    timer = Timer(_GRACE, _leave)
    timer.daemon = True
    timer.start()
    raise KeyboardInterrupt


def _leave() -> None:
    sys.stderr.write("nncost: interrupted.\n")
    sys.stderr.flush()
    os._exit(EXIT_INTERRUPTED)
