"""Threads that a model starts in its forward pass: their operators are seen too; one step runs at a time."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode, _pop_mode, _push_mode

from nncost.errors import SourceError

ONE_STEP = threading.RLock()
"""Held while a module is looked at and run: its tensors are swapped meanwhile, and another count of it waits."""
LONGEST_WAIT = 60.0
"""Seconds that a layer in a thread waits for its turn."""
_STARTERS = ("threading.py", "concurrent/futures/thread.py", "multiprocessing/pool.py")
UNSEEN = "a part of the model runs in a thread whose operators are not seen."
_HINT = "To be counted, it must run in the thread that calls the model, or in one that the model starts."


class Threads:
    """The threads of one step. ``owner`` runs the step; layers of all others run one after another.

    ``started``: there may be others; ``others``: they have run a part of the step.
    """

    def __init__(self) -> None:
        self.owner = threading.get_ident()
        self.started = self.others = False
        self._turn = threading.RLock()

    @contextmanager
    def followed(self, mode: TorchDispatchMode) -> Iterator[None]:
        """Threads that start meanwhile run under the mode."""

        def started(frame: Any, event: str, argument: Any) -> None:
            self.started = True
            _push_mode(mode)
            beneath = frame if event != "call" else frame.f_back

            def leave(frame: Any, event: str, argument: Any) -> None:
                if event == "return" and frame.f_back is beneath:  # the thread's own function has ended
                    sys.setprofile(None)
                    _pop_mode()

            sys.setprofile(leave)

        before = threading.getprofile()
        threading.setprofile(started)
        try:
            yield
        finally:
            threading.setprofile(before)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A layer or an operator of one thread runs while no other does. Raise SourceError if the turn never comes."""
        if not self._turn.acquire(timeout=LONGEST_WAIT):
            raise SourceError("threads of the model wait for one another.", hint=_HINT)
        self.others = self.others or threading.get_ident() != self.owner
        try:
            yield
        finally:
            self._turn.release()


def was_in_thread(error: BaseException) -> bool:
    """Whether an exception was raised in another thread, whose frames its traceback holds."""
    files = (frame.f_code.co_filename.replace("\\", "/") for frame, _ in walk_tb(error.__traceback__))
    return any(file.endswith(_STARTERS) for file in files)


def unseen() -> SourceError:
    """What is said of work in a thread that was there before the step."""
    return SourceError(UNSEEN, hint=_HINT)
