"""Where a step runs, the processor or an accelerator, and what is measured otherwise there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from nncost.counting.memory.step import EXACT
from nncost.records import record
from nncost.timing.accelerator import CUDA, accelerator_of, device_of, free_bytes, peak_on
from nncost.timing.devices.fingerprint import available_bytes
from nncost.timing.measure.memory import allocated_peak


@record
class Place:
    """A device that steps run on."""

    device: torch.device

    @property
    def is_processor(self) -> bool:
        """Whether it is no accelerator."""
        return bool(self.device.type != CUDA)

    @property
    def name(self) -> str:
        """What a message calls it."""
        return "this machine" if self.is_processor else str(self.device)

    def free_bytes(self) -> int:
        """What is free of its memory."""
        return available_bytes() if self.is_processor else free_bytes(self.device)

    def peak(self, run: Callable[[], object]) -> int:
        """The most bytes that a call has allocated at any moment."""
        return allocated_peak(run) if self.is_processor else peak_on(self.device, run)

    def described(self) -> dict[str, Any]:
        """The accelerator; nothing of the processor."""
        return {} if self.is_processor else accelerator_of(self.device).to_dict()

    def notes(self, allocator: str) -> Iterator[str]:
        """What a reader should know of the numbers."""
        if not self.is_processor and allocator == EXACT:
            yield "CUDA's allocator rounds what it hands out: --allocator cuda counts memory as it does."


def place_of(module: nn.Module) -> Place:
    """Where a module's steps run. Raise SourceError for one on several devices."""
    return Place(device_of(module))
