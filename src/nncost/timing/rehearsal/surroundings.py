"""What the blocks of a step share while some are left out: the clock, their times, the bytes to touch, the gradients."""

from __future__ import annotations

from collections import Counter

import torch
from torch import nn

from nncost.records import record
from nncost.timing.rehearsal.blocks import Block
from nncost.timing.rehearsal.clock import Clock

_GRADIENT = 1e-3
"""What stands for gradients before any are known."""
_LOOKS = 2
"""Steps whose gradients are looked at."""


class NotSampledError(Exception):
    """A block did not run as it was recorded; the step cannot be put together of some of its blocks."""


class BlockTimes:
    """Seconds of the blocks that ran in one step, by path; how often each was called, and gradients passed it."""

    def __init__(self) -> None:
        self.forward: dict[str, float] = {}
        self.begun: dict[str, float] = {}
        self.ended: dict[str, float] = {}
        self.calls, self.passed = Counter[str](), Counter[str]()

    def clear(self) -> None:
        """Forget a step."""
        for each in (self.forward, self.begun, self.ended, self.calls, self.passed):
            each.clear()

    def begin(self, path: str, now: float) -> None:
        """The first gradient of what a block returned is there."""
        self.begun.setdefault(path, now)

    def end(self, path: str, now: float) -> None:
        """The gradient of everything that a block was given is there."""
        self.ended[path] = now
        self.passed[path] += 1

    @property
    def backward(self) -> dict[str, float]:
        """Seconds of the blocks' backward passes."""
        return {path: end - self.begun[path] for path, end in self.ended.items() if path in self.begun}


class CacheBound:
    """Bytes that blocks in a row touch while they are left out: no more than outgrow the caches."""

    def __init__(self, most: int) -> None:
        self._most, self._left = most, most

    def renew(self) -> None:
        """A block ran: those that follow touch again."""
        self._left = self._most

    def take(self, bytes_: int) -> bool:
        """Whether that many bytes are still to be touched."""
        self._left -= bytes_
        return self._left + bytes_ > 0


class KnownGradients:
    """Gradients of a block that ran, for equal blocks that are left out: optimizers take longer where many are zero."""

    def __init__(self) -> None:
        self._known: dict[str, torch.Tensor] = {}
        self._looks = 0

    def look(self, layer: nn.Module) -> None:
        """Keep a copy of a layer's gradients, in the first steps."""
        if self._looks < _LOOKS:
            self._looks += 1
            self._known = {name: p.grad.clone() for name, p in layer.named_parameters() if p.grad is not None}

    def make(self, layer: nn.Module, block: Block) -> None:
        """Give an equal layer such gradients, where it was recorded with them."""
        for name, parameter in layer.named_parameters():
            if name in block.trained and parameter.grad is None:
                known = self._known.get(name)
                parameter.grad = torch.full_like(parameter, _GRADIENT) if known is None else known.clone()


@record
class Surroundings:
    """What the blocks of one group share."""

    clock: Clock
    times: BlockTimes
    bound: CacheBound
    gradients: KnownGradients
