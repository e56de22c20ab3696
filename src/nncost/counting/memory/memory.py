"""What a report says about memory, in bytes: plain data."""

from __future__ import annotations

from nncost.dims import Dim
from nncost.records import record


@record
class TimelineRow:
    """Consecutive operations of one layer and phase: the bytes they allocate and free, and what is in use.

    ``live`` are the bytes in use after the last of them, ``peak`` the most during them, both including what
    was there before the step; ``peak`` is None where sizes are symbols.
    """

    path: str
    phase: str
    allocated: Dim
    freed: Dim
    live: Dim
    peak: Dim | None = None


@record
class Candidate:
    """Bytes in use at one moment that may be the peak: which one is, depends on the symbols."""

    bytes: Dim
    path: str
    phase: str


@record
class Fit:
    """The largest batch whose step takes no more than ``bytes``; 0 where not even one example fits."""

    bytes: int
    batch: int
    peak: int


@record
class Memory:
    """The memory of one step, in bytes.

    ``resident`` is there before the step: parameters, buffers, optimizer state and inputs. The
    ``allocated`` are the peaks of what forward and step take on top of it; with it they are the peaks.
    None stands for what is not known; ``notes`` say why. ``exact`` is False where something is missing.
    """

    parameters: Dim
    gradients: Dim
    optimizer_state: Dim | None
    activations: Dim | None
    workspace: Dim | None
    forward_peak: Dim | None
    step_peak: Dim | None
    step_peak_at: str | None
    step_peak_phase: str | None
    buffers: Dim
    inputs: Dim | None
    resident: Dim | None
    forward_allocated: Dim | None
    step_allocated: Dim | None
    exact: bool
    notes: tuple[str, ...] = ()
    allocator: str = "exact"
    reserved_peak: int | None = None
    candidates: tuple[Candidate, ...] = ()
    timeline: tuple[TimelineRow, ...] = ()
    fits: Fit | None = None


AMOUNTS = (
    "parameters", "gradients", "optimizer_state", "activations", "workspace", "forward_peak", "step_peak", "buffers",
    "inputs", "resident", "forward_allocated", "step_allocated", "reserved_peak",
)  # fmt: skip
"""The fields that are quantities: ``memory.step_peak`` and so on."""
