"""Ctrl-C during a step: it stops the model's own code, and never what puts the model back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any, Self


class Interrupts:
    """Interrupts of a step. Inside :attr:`allowed` they come through; all others wait for the end of the step.

    Only the main thread receives any. Who ignores interrupts, or has the system handle them, goes on to.
    """

    def __init__(self) -> None:
        self.allowed = _Allowed()
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if callable(before):
                self._before = before
                signal.signal(signal.SIGINT, self._received)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            if self.allowed.waiting:
                self._before(signal.SIGINT, None)

    def _received(self, number: int, frame: Any) -> None:
        self.allowed.received(lambda: self._before(number, frame))


class _Allowed:
    """The parts of a step that may be interrupted: the model's own code, the loss, gradients, the optimizer."""

    def __init__(self) -> None:
        self.waiting = False
        self._is_open = False

    def __enter__(self) -> None:
        self._is_open = True

    def __exit__(self, *_: object) -> None:
        self._is_open = False

    def received(self, pass_on: Callable[[], object]) -> None:
        """Pass an interrupt on, or have it wait. What it raises ends the part, and the next one waits."""
        if not self._is_open:
            self.waiting = True
            return
        self._is_open = False
        pass_on()
        self._is_open = True
