"""Ctrl-C during a step: it stops the model between two operators, and never what puts the model back.

An exception must not arise just anywhere: PyTorch asks Python for small things (where a tensor is) in places where an
exception ends the program.
"""

from __future__ import annotations

import signal
import threading
from typing import Any, Self


class Interrupts:
    """Interrupts of a step. The first waits for the model's next operator or layer, a second comes through at once.

    Outside :attr:`allowed` they wait for the end of the step. Only the main thread receives any. Who ignores
    interrupts, or has the system handle them, goes on to.
    """

    def __init__(self) -> None:
        self.allowed = _Allowed()
        self.waiting = False
        self._before: Any = None
        self._raised: BaseException | None = None
        self._thread = 0

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if callable(before):
                self._before, self._thread = before, threading.get_ident()
                signal.signal(signal.SIGINT, self._received)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if self._raised is not None and error is not None and error is not self._raised:
            raise self._raised from None  # TorchScript makes another exception of whatever arises in it
        if self.waiting:
            self._before(signal.SIGINT, None)

    def arrive(self) -> None:
        """Let an interrupt that waits come through, here in the model's own code. What it raises ends that."""
        if self.allowed.now and threading.get_ident() == self._thread:
            self.allowed.now = self.waiting = False
            try:
                self._before(signal.SIGINT, None)
            except BaseException as error:
                self._raised = error
                raise
            self.allowed.now = True

    def _received(self, number: int, frame: Any) -> None:
        again, self.waiting = self.waiting, True
        if again:
            self.arrive()


class _Allowed:
    """The parts of a step that may be interrupted: the model's own code, the loss, gradients, the optimizer."""

    def __init__(self) -> None:
        self.now = False

    def __enter__(self) -> None:
        self.now = True

    def __exit__(self, *_: object) -> None:
        self.now = False
