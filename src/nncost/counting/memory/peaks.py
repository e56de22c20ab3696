"""Peaks of a timeline: the most bytes in use at once, and where. Numbers here, formulas in ``symbolic.py``."""

from __future__ import annotations

from typing import Any, cast

from nncost.counting.memory.memory import Candidate, TimelineRow
from nncost.counting.memory.timeline import Peaks, events, workspace_of
from nncost.dims import Dim, is_symbolic
from nncost.ir.storage import Allocation, Timeline


def peaks_of(timeline: Timeline, resident: Dim) -> Peaks:
    """The peaks of a step. Raise NoPeaksError if symbols leave too many moments to choose from."""
    if {type(allocation.bytes) for allocation in timeline.allocations} - {int} or is_symbolic(resident):
        from nncost.counting.memory.symbolic import symbolic_peaks

        return symbolic_peaks(timeline, resident)
    return _numeric_peaks(timeline, resident)


def _numeric_peaks(timeline: Timeline, resident: Dim) -> Peaks:
    live = forward = step = 0
    at: Allocation | None = None
    rows = _Rows(resident)
    for is_taken, allocation in events(timeline):
        size = cast("int", allocation.bytes)
        live += size if is_taken else -size
        if is_taken:
            if allocation.phase == "forward" and live > forward:
                forward = live
            if live > step:
                step, at = live, allocation
        rows.add(is_taken, allocation, live)
    candidates = () if at is None else (Candidate(resident + step, at.path, at.phase),)
    return Peaks(forward, step, candidates, workspace_of(timeline), rows.finished())


class _Rows:
    """The timeline's rows so far: path, phase, bytes allocated, freed and live, and their peak.

    Gradients end with the step and free nothing.
    """

    def __init__(self, resident: Dim) -> None:
        self._resident = cast("int", resident)
        self._rows: list[list[Any]] = []

    def add(self, is_taken: bool, allocation: Allocation, live: int) -> None:
        """Add an event, with the bytes in use after it."""
        rows = self._rows
        if is_taken:
            row = rows[-1] if rows else None
            if row is None or row[0] != allocation.path or row[1] != allocation.phase:
                row = [allocation.path, allocation.phase, 0, 0, 0, 0]
                rows.append(row)
            row[2] += allocation.bytes
        elif allocation.kind == "gradient" or not rows:
            return
        else:
            row = rows[-1]
            row[3] += allocation.bytes
        row[4] = live
        row[5] = max(row[5], live)

    def finished(self) -> tuple[TimelineRow, ...]:
        """The rows, with what is resident in their ``live`` and ``peak``."""
        r = self._resident
        return tuple(TimelineRow(p, ph, a, f, r + live, r + top) for p, ph, a, f, live, top in self._rows)
