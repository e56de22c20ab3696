"""A CUDA device that a step runs on: where a module lives, a clock, the memory it takes, and what the device is.

Work is only queued there: a clock that does not wait for it tells how long queueing takes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nncost.errors import SourceError
from nncost.records import record

CUDA = "cuda"
_CPU = torch.device("cpu")
_DRIVER = Path("/proc/driver/nvidia/version")
"""Where NVIDIA's driver for Linux says its version."""
_VERSION = re.compile(r"Kernel Module\s+(?:for \S+\s+)?(\d+(?:\.\d+)+)")
_MILLI = 1e-3


@record
class Accelerator:
    """What a device is: ``capability`` is CUDA's version of the hardware, ``driver`` that of the driver (empty: not known)."""

    name: str
    capability: str
    driver: str
    memory_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """As a fingerprint holds it."""
        return {
            "accelerator": self.name, "capability": self.capability, "driver": self.driver,
            "accelerator_memory_bytes": self.memory_bytes,
        }  # fmt: skip


def device_of(module: nn.Module) -> torch.device:
    """Where a module's parameters and buffers are: a CUDA device or the CPU. Raise SourceError if they are on several."""
    return one_device(tensor.device for tensor in chain(module.parameters(), module.buffers()))


def one_device(devices: Iterable[torch.device]) -> torch.device:
    """The CUDA device among those of some tensors, or else the CPU. Raise SourceError for a mixture."""
    found = list(dict.fromkeys(devices))
    on_cuda = [device for device in found if device.type == CUDA]
    if not on_cuda:
        return _CPU
    if len(found) > 1:
        names = " and ".join(str(device) for device in found)
        raise SourceError(
            f"the module is on {names}; nncost runs a step on one device.",
            hint='Move all of it:  module.to("cuda")',
        )
    return on_cuda[0]


def clock_of(device: torch.device) -> Callable[[], float]:
    """A clock for what runs on a device."""
    return EventClock(device) if device.type == CUDA else time.perf_counter


class EventClock:
    """Seconds on a CUDA device: each reading waits until all that was queued before it is done.

    Only differences mean anything. They are those of CUDA's events, which the device itself takes; the readings are added
    up, because an event's own milliseconds are too coarse once they are many.
    """

    def __init__(self, device: torch.device) -> None:
        self._device, self._seconds = device, 0.0
        self._last: Any = None

    def __call__(self) -> float:
        """The seconds now."""
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        event.synchronize()
        if self._last is not None:
            self._seconds += self._last.elapsed_time(event) * _MILLI
        self._last = event
        return self._seconds


def peak_on(device: torch.device, run: Callable[[], object]) -> int:
    """Return the most bytes that a call has allocated on the device at any moment, on top of what is there."""
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    run()
    torch.cuda.synchronize(device)
    return int(torch.cuda.max_memory_allocated(device) - before)


def free_bytes(device: torch.device) -> int:
    """What is free on the device."""
    return int(torch.cuda.mem_get_info(device)[0])


def accelerator_of(device: torch.device) -> Accelerator:
    """What the device says of itself."""
    properties = torch.cuda.get_device_properties(device)
    return Accelerator(
        properties.name, f"{properties.major}.{properties.minor}", _driver(), int(properties.total_memory)
    )


def _driver() -> str:
    try:
        return driver_in(_DRIVER.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""


def driver_in(text: str) -> str:
    """The version in what the driver says of itself: ``550.54.15``; empty if there is none."""
    found = _VERSION.search(text)
    return found[1] if found else ""
