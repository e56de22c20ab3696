"""What the summaries say about memory: a handful of lines, and the timeline as a table."""

from __future__ import annotations

from nncost.counting.memory.memory import Memory, Stretch
from nncost.dims import Dim, is_symbolic
from nncost.errors import OptionError
from nncost.report import Report
from nncost.units import exact
from nncost.views.table import Table

PEAK = "◄ peak"
_KIBI, _UNITS = 1_024, ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def memory_lines(report: Report) -> list[tuple[str, str]]:
    """What is there before the step, the peaks and where they are; None of it for unknown amounts."""
    memory = report.memory
    lines = [("before the step", _resident(memory))]
    if memory.forward_peak is not None:
        lines.append(("forward, peak", _amount(memory.forward_peak)))
    if report.settings["loss"] != "none":
        if memory.activations is not None:
            lines.append(("kept for backward", _amount(memory.activations)))
        lines.append(("gradients", _amount(memory.gradients)))
        if memory.step_peak is not None:
            lines.append(("step, peak", _amount(memory.step_peak) + _place(memory)))
    if memory.workspace:
        lines.append(("largest workspace", _amount(memory.workspace)))
    if memory.reserved_peak is not None:
        lines.append(("reserved, peak", _amount(memory.reserved_peak)))
    if memory.fits is not None:
        batch = exact(memory.fits.batch) if memory.fits.batch else "none: not even one example fits"
        lines.append((f"largest batch in {binary(memory.fits.bytes)}", batch))
    return lines + [("note", note) for note in memory.notes]


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
    where = (
        memory.step_peak_at
        if memory.step_peak_at == memory.step_peak_phase
        else f"{memory.step_peak_at} {memory.step_peak_phase}"
    )
    return f"  in {where.rstrip()}"


def _amount(amount: Dim) -> str:
    if is_symbolic(amount):
        choices = getattr(amount, "args", ()) if type(amount).__name__ == "Max" else ()
        return f"the largest of {len(choices)} formulas" if choices else f"{exact(amount)} bytes"
    return f"{exact(amount)} bytes"


def binary(amount: int) -> str:
    """Bytes in the largest binary unit that leaves no rest, as ``8 GiB``; other numbers as they are."""
    power = 0
    while power + 1 < len(_UNITS) and amount % _KIBI == 0:
        amount //= _KIBI
        power += 1
    return f"{exact(amount)} {_UNITS[power]}"


def timeline_table(report: Report) -> Table:
    """One line for each stretch of a layer and phase. Raises OptionError where the timeline is not known."""
    memory = report.memory
    if not memory.timeline:
        reason = memory.notes[0] if memory.notes else "Nothing is allocated here."
        raise OptionError("there is no timeline of memory to show.", hint=reason)
    is_numeric = all(stretch.peak is not None for stretch in memory.timeline)
    top = next((i for i, s in enumerate(memory.timeline) if s.peak == _highest(memory)), None) if is_numeric else None
    columns = ["taken", "freed", "left", *(["peak"] if is_numeric else [])]
    rows = [(_name(stretch, number == top), _cells(stretch)) for number, stretch in enumerate(memory.timeline)]
    notes = ["Bytes as they were asked for, without the blocks of an allocator."] if memory.allocator != "exact" else []
    return Table("Memory by layer, in the order it is taken: bytes", [""] * len(columns), columns, rows, notes=notes)


def _highest(memory: Memory) -> Dim:
    return max(stretch.peak for stretch in memory.timeline if stretch.peak is not None)


def _name(stretch: Stretch, is_top: bool) -> str:
    name = stretch.path if stretch.path == stretch.phase else f"{stretch.path} {stretch.phase}".lstrip()
    return f"{name} {PEAK}" if is_top else name


def _cells(stretch: Stretch) -> list[Dim]:
    cells = [stretch.allocated, stretch.freed, stretch.live]
    return cells if stretch.peak is None else [*cells, stretch.peak]
