"""The memory that a real step takes on top of what is there, as the allocator's own events say."""

from __future__ import annotations

from nncost.frontends.torch.allocation.workspace_probe import allocations
from nncost.timing.measure.step import Stepper


def allocated_peak(stepper: Stepper) -> int:
    """The highest sum of bytes taken and not yet given back during one step."""
    events, _ = allocations(stepper.step)
    total = highest = 0
    for size in events:
        total += size
        highest = max(highest, total)
    return highest
