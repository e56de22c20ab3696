"""A fixed piece of work that tells how fast the machine is at the moment."""

from __future__ import annotations

import time

import torch

_SIZE = 256
_ELEMENTS = 2**20
_CALLS = 3


class Reference:
    """A matrix product and a stream through memory, always the same."""

    def __init__(self) -> None:
        self._left, self._right = torch.ones(_SIZE, _SIZE), torch.ones(_SIZE, _SIZE)
        self._memory = torch.zeros(_ELEMENTS)

    def seconds(self) -> float:
        """The time of the work now."""
        start = time.perf_counter()
        for _ in range(_CALLS):
            self._left @ self._right
            self._memory.add_(1.0)
        return time.perf_counter() - start
