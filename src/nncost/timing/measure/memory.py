"""The memory that a real step takes on top of what is there, as the allocator's own events say."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

from nncost.frontends.torch.allocation.workspace_probe import allocations


def allocated_peak(run: Callable[[], object]) -> int:
    """Return the most bytes that a call has allocated and not yet freed at any moment."""
    events, _ = allocations(run)
    return max(accumulate(events, initial=0))
