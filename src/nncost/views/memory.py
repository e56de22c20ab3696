"""What a count says about memory: a handful of facts, and the timeline as a table."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from nncost.counting.memory.memory import Memory, TimelineRow
from nncost.dims import Dim, add_all, is_largest, largest, parts_of
from nncost.documents.document import Bars, Block, Heading, Note, Table
from nncost.errors import OptionError
from nncost.records import replace
from nncost.report import Report
from nncost.units import counted, exact, noun
from nncost.views import cut_path

PEAK = "◄ peak"
_UNITS = (
    (1_024, ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")),
    (1_000, ("bytes", "kB", "MB", "GB", "TB", "PB")),
)


def memory_facts(report: Report) -> list[tuple[str, str]]:
    """Return what there is before the step, and the peaks with their layers; amounts that are not known are left out."""
    memory = report.memory
    facts = [("before the step", _resident(memory))]
    if memory.forward_peak is not None:
        facts.append(("forward, peak", _amount(memory.forward_peak)))
    if report.settings["loss"] != "none":
        if memory.activations is not None:
            facts.append(("kept for backward", _amount(memory.activations)))
        facts.append(("gradients", _amount(memory.gradients)))
        if memory.step_peak is not None:
            facts.append(("step, peak", _amount(memory.step_peak) + _place(memory)))
    if memory.workspace:
        facts.append(("largest workspace", _amount(memory.workspace)))
    if memory.reserved_peak is not None:
        facts.append(("reserved, peak", _amount(memory.reserved_peak)))
    if memory.fits is not None:
        batch = exact(memory.fits.batch) if memory.fits.batch else "none: not even one example fits"
        facts.append((f"largest batch in {size_text(memory.fits.bytes)}", batch))
    return facts + [("note", note) for note in memory.notes]


def _resident(memory: Memory) -> str:
    parts = [
        (memory.parameters, "parameters"), (memory.buffers, "buffers"), (memory.optimizer_state, "optimizer state"),
        (memory.inputs, "inputs"),
    ]  # fmt: skip
    known = " + ".join(f"{exact(amount)} {name}" for amount, name in parts if amount is not None and amount != 0)
    unknown = [name for amount, name in parts if amount is None]
    if memory.resident is None:
        return f"{known}, and {' and '.join(unknown)}, which are not known"
    rounded = ", in blocks" if memory.allocator != "exact" else ""
    return f"{_amount(memory.resident)}{rounded} = {known}" if known else "0 bytes"


def _place(memory: Memory) -> str:
    if memory.step_peak_at is None:
        return ""
    path, phase = memory.step_peak_at, memory.step_peak_phase
    return f"  in {path if path == phase else f'{path} {phase}'.strip()}"


def _amount(amount: Dim) -> str:
    if is_largest(amount):
        return f"the largest of {len(parts_of(amount))} formulas"
    return counted(amount, "byte")


def size_text(amount: int) -> str:
    """Bytes without loss in the unit that leaves the smallest number: ``8 GiB``, ``8 GB``, ``1,500 bytes``."""
    return min((_in_units(amount, step, names) for step, names in _UNITS), key=len)


def _in_units(amount: int, step: int, names: Sequence[str]) -> str:
    power = 0
    while power + 1 < len(names) and amount % step == 0:
        amount //= step
        power += 1
    return f"{exact(amount)} {names[power] if power else noun(amount, 'byte')}"


def timeline_blocks(report: Report, depth: int | None = None) -> list[Block]:
    """Return the timeline as a table, with the layers' paths cut to ``depth`` names.

    Raise OptionError if the timeline is not known.
    """
    memory = replace(report.memory, timeline=_joined(report.memory.timeline, depth))
    if not memory.timeline:
        reason = memory.notes[0] if memory.notes else "Nothing is allocated here."
        raise OptionError("there is no timeline of memory to show.", hint=reason)
    is_numeric = all(row.peak is not None for row in memory.timeline)
    top = (
        next((i for i, row in enumerate(memory.timeline) if row.peak == _highest(memory)), None) if is_numeric else None
    )
    header = ("", "taken", "freed", "left", *(["peak"] if is_numeric else []))
    rows = tuple((_name(row, number == top), *_cells(row)) for number, row in enumerate(memory.timeline))
    bars = _bars(memory) if is_numeric else None
    blocks: list[Block] = [Heading("Memory by layer, in the order it is taken: bytes"), Table(header, rows, bars=bars)]
    if memory.allocator != "exact":
        blocks.append(Note("Bytes as they were asked for, without the blocks of an allocator."))
    return blocks


def _bars(memory: Memory) -> Bars:
    """The peaks of the rows as shares of the highest."""
    highest = _highest(memory)
    assert isinstance(highest, int)
    peaks = (row.peak for row in memory.timeline if isinstance(row.peak, int))
    return Bars("peak", tuple(float(Fraction(peak, highest)) if highest else 0.0 for peak in peaks))


def _joined(rows: Sequence[TimelineRow], depth: int | None) -> tuple[TimelineRow, ...]:
    """The rows with paths cut to ``depth`` names; consecutive ones of the same name and phase are one."""
    if depth is None:
        return tuple(rows)
    joined: list[TimelineRow] = []
    for row in rows:
        path = cut_path(row.path, depth)
        last = joined[-1] if joined else None
        if last is None or (last.path, last.phase) != (path, row.phase):
            joined.append(replace(row, path=path))
            continue
        top = None if last.peak is None or row.peak is None else largest([last.peak, row.peak])
        taken, freed = add_all([last.allocated, row.allocated]), add_all([last.freed, row.freed])
        joined[-1] = TimelineRow(path, row.phase, taken, freed, row.live, top)
    return tuple(joined)


def _highest(memory: Memory) -> Dim:
    return max(row.peak for row in memory.timeline if row.peak is not None)


def _name(row: TimelineRow, is_top: bool) -> str:
    name = row.path if row.path == row.phase else f"{row.path} {row.phase}".lstrip()
    return f"{name} {PEAK}" if is_top else name


def _cells(row: TimelineRow) -> list[Dim]:
    cells = [row.allocated, row.freed, row.live]
    return cells if row.peak is None else [*cells, row.peak]
