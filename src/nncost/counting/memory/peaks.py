"""Peaks of a timeline: the most bytes in use at once, and where. Numbers here, formulas in ``formulas.py``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from nncost.counting.memory.memory import Candidate, Stretch
from nncost.dims import Dim, is_symbolic, largest
from nncost.ir.storage import Allocation, Timeline

_FREE_FIRST, _TAKE = 0, 1


class NoPeaksError(Exception):
    """There are too many moments of which each may be the peak; the message says so."""


@dataclass(frozen=True, slots=True)
class Peaks:
    """Bytes above what is resident. ``candidates`` are the moments of the step's peak: several where symbols decide."""

    forward: Dim
    step: Dim
    candidates: tuple[Candidate, ...]
    workspace: Dim
    stretches: tuple[Stretch, ...]


def peaks_of(timeline: Timeline, resident: Dim) -> Peaks:
    """The peaks of a step. Raises NoPeaksError where symbols leave too many moments to choose from."""
    if any(is_symbolic(allocation.bytes) for allocation in timeline.allocations) or is_symbolic(resident):
        from nncost.counting.memory.symbolic import symbolic_peaks

        return symbolic_peaks(timeline, resident)
    return _numeric_peaks(timeline, resident)


def events(timeline: Timeline) -> Iterator[tuple[bool, Allocation]]:
    """Every event in the order of the clock: whether memory is taken (or given back), and which."""
    listed = [(a.born, _TAKE, number) for number, a in enumerate(timeline.allocations)]
    listed += [(a.dies, _FREE_FIRST, number) for number, a in enumerate(timeline.allocations) if a.dies is not None]
    listed.sort()
    for _, kind, number in listed:
        yield kind == _TAKE, timeline.allocations[number]


def _numeric_peaks(timeline: Timeline, resident: Dim) -> Peaks:
    live = forward = step = 0
    at: Allocation | None = None
    record = Record(resident)
    for is_taken, allocation in events(timeline):
        size = cast("int", allocation.bytes)
        live += size if is_taken else -size
        if is_taken:
            if allocation.phase == "forward" and live > forward:
                forward = live
            if live > step:
                step, at = live, allocation
        record.note(is_taken, allocation, live)
    candidates = () if at is None else (Candidate(resident + step, at.path, at.phase),)
    return Peaks(forward, step, candidates, workspace_of(timeline), record.stretches())


def workspace_of(timeline: Timeline) -> Dim:
    """The largest workspace of one operation."""
    sizes = [a.bytes for a in timeline.allocations if a.kind == "workspace"]
    return largest(sizes) if sizes else 0


class Record:
    """Stretches under way: path, phase, taken, given back, live and the most. A gradient's end is the step's, not told."""

    def __init__(self, resident: Dim) -> None:
        self._resident = cast("int", resident)
        self._rows: list[list[Any]] = []

    def note(self, is_taken: bool, allocation: Allocation, live: int) -> None:
        """One event with the bytes that are in use after it."""
        if is_taken:
            place = [allocation.path, allocation.phase]
            if not self._rows or self._rows[-1][:2] != place:
                self._rows.append([*place, 0, 0, 0, 0])
        elif allocation.kind == "gradient" or not self._rows:
            return
        row = self._rows[-1]
        row[2 if is_taken else 3] += allocation.bytes
        row[4] = live
        row[5] = max(row[5], live)

    def stretches(self) -> tuple[Stretch, ...]:
        """All of them, in order."""
        r = self._resident
        return tuple(Stretch(p, ph, a, f, r + live, r + top) for p, ph, a, f, live, top in self._rows)
