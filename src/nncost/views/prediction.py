"""A prediction as text: what it is for, seconds by phase, what bounds them, and the layers that take longest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nncost.errors import OptionError
from nncost.timing.prediction import CAUSES, TIMED_PHASES, PredictedRow, Prediction, Seconds
from nncost.units import bytes_text, grouped, rate_text, seconds_text

BY = ("layer", "op", "phase", "cause")
MAX_ROWS = 20
"""Rows of a table; the others are added up in one line."""
_WIDTH = 80
_NAME = 34
_MARGIN = 10
_NARROWEST = 8
_PERCENT = 100
_FEW = 0.01
_WORDS = {"page_faults": "page faults"}


@dataclass(frozen=True, slots=True)
class PredictionTable:
    """Cells under their titles; the first column is text and stands left."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def plain(prediction: Prediction, *, by: str = "layer", depth: int | None = None) -> str:
    """The prediction as text of at most 80 columns; ``depth`` cuts paths to so many names.

    Raises OptionError for an unknown ``by``.
    """
    table = table_of(prediction, by, depth)
    parts = [title(prediction), "", *aligned(phase_table(prediction)), ""]
    parts += [line for name, text in facts(prediction) for line in wrapped(name, text, _MARGIN)]
    parts += ["", *aligned(table)]
    if prediction.notes:
        parts += ["", *(line for note in prediction.notes for line in wrapped("note", note, _MARGIN))]
    return "\n".join(line.rstrip() for line in parts)


def show(prediction: Prediction, *, by: str = "layer", depth: int | None = None) -> None:
    """The same on a terminal, with weight and colour."""
    from rich.console import Console
    from rich.text import Text

    table = table_of(prediction, by, depth)
    console = Console(highlight=False)
    console.print(Text(title(prediction), style="bold"))
    for each in (phase_table(prediction), None, table):
        console.print()
        if each is None:
            for name, text in facts(prediction):
                console.print(Text.assemble((f"{name:<10}", "cyan"), text))
            continue
        head, rule, *lines = aligned(each)
        console.print(Text(f"{head}\n{rule}", style="dim"))
        for line in lines:
            console.print(Text(line, style="bold" if line.startswith(("step", "run")) else ""))
    for note in prediction.notes:
        console.print(Text(f"note: {note}", style="yellow" if prediction.complete else "bold red"))


def title(prediction: Prediction) -> str:
    """The source, the device and how the number was found."""
    device = prediction.device
    name = str(device.get("title") or device.get("name", "this machine"))
    source = prediction.source if len(prediction.source) <= _NAME else f"{prediction.source[: _NAME - 1]}…"
    settings = prediction.settings
    first = f"{source} on {name}: {prediction.label}"
    training = "forward alone" if settings["loss"] == "none" else f"{settings['loss']}, {settings['optimizer']}"
    return f"{first}\nbatch {settings['batch']}, {settings['dtype']}, {training}"


def phase_table(prediction: Prediction) -> PredictionTable:
    """Seconds of each phase with their interval."""
    names = [name for name in (*TIMED_PHASES, "step", "run") if name in prediction.seconds]
    rows = [[name, *map(seconds_text, _ordered(prediction.seconds[name]))] for name in names]
    return PredictionTable(("", "expected", "at least", "at most"), rows)


def _ordered(seconds: Seconds) -> tuple[float, float, float]:
    return seconds.value, seconds.low, seconds.high


def facts(prediction: Prediction) -> list[tuple[str, str]]:
    """What bounds the step, and what else is known of it."""
    found = [("bound by", _bound(prediction))] if any(row.seconds.value for row in prediction.rows) else []
    peak = prediction.device.get("peak_flops_per_second")
    if prediction.mfu is not None and peak:
        found.append(("peak", f"contractions reach {percent(prediction.mfu)} of {rate_text(peak, 'flop/s')} (MFU)"))
    memory = prediction.memory
    if "peak_bytes" in memory:
        found.append(("memory", _memory(memory)))
    if prediction.joules is not None:
        found.append(("energy", f"at most {prediction.joules:.3g} J a step, at the device's rated power"))
    run = prediction.run
    if run is not None:
        batch = f"{grouped(run.steps)} step{'' if run.steps == 1 else 's'} of {grouped(run.batch)}"
        found.append(("run", f"{batch}: {seconds_text(prediction.seconds['run'].value)}"))
    return found


def _memory(memory: Mapping[str, Any]) -> str:
    about = "" if memory["exact"] else "about "
    where = f", in {memory['peak_at']}" if memory["peak_at"] else ""
    text = f"{about}{bytes_text(memory['peak_bytes'])} at the peak{where}"
    if "fits" in memory:
        text += f": {'fits' if memory['fits'] else 'does NOT fit'} into {bytes_text(memory['capacity_bytes'])}"
    return text


def _bound(prediction: Prediction) -> str:
    step = sum(sum(row.causes.values()) for row in prediction.rows)
    shares = (
        {cause: sum(row.causes.get(cause, 0.0) for row in prediction.rows) / step for cause in CAUSES} if step else {}
    )
    order = sorted(shares, key=lambda cause: -shares[cause])
    return ", ".join(f"{_WORDS.get(cause, cause)} {percent(shares[cause])}" for cause in order if shares[cause])


def percent(share: float) -> str:
    """``42 %``, ``0.31 %``, ``< 0.01 %``."""
    value = _PERCENT * share
    return f"{value:.0f} %" if value >= 10 else f"{value:.2g} %" if value >= _FEW else f"< {_FEW} %"


def table_of(prediction: Prediction, by: str, depth: int | None = None) -> PredictionTable:
    """The rows by layer, op, phase or cause; the longest first. Raises OptionError for anything else."""
    if by not in BY:
        raise OptionError(f"unknown --by {by!r}", hint=f"Accepted: {', '.join(BY)}.")
    if by == "cause":
        return _by_cause(prediction)
    if by == "phase":
        return _by_phase(prediction)
    return _by_name(prediction, by, lambda row: row.op if by == "op" else _cut(row.path, depth) or row.op)


def _cut(path: str, depth: int | None) -> str:
    return path if depth is None else ".".join(path.split(".")[:depth])


def _by_phase(prediction: Prediction) -> PredictionTable:
    phases = list(dict.fromkeys(row.phase for row in prediction.rows))
    causes = [cause for cause in CAUSES if any(row.causes.get(cause) for row in prediction.rows)]
    rows = []
    for phase in phases:
        parts = [row for row in prediction.rows if row.phase == phase]
        amounts = [sum(row.causes.get(cause, 0.0) for row in parts) for cause in causes]
        rows.append([phase, seconds_text(sum(row.seconds.value for row in parts)), *map(seconds_text, amounts)])
    return PredictionTable(("phase", "expected", *(_WORDS.get(cause, cause) for cause in causes)), rows)


def _by_cause(prediction: Prediction) -> PredictionTable:
    phases = list(dict.fromkeys(row.phase for row in prediction.rows))
    rows = []
    for cause in CAUSES:
        amounts = [sum(row.causes.get(cause, 0.0) for row in prediction.rows if row.phase == phase) for phase in phases]
        if any(amounts):
            rows.append([_WORDS.get(cause, cause), seconds_text(sum(amounts)), *map(seconds_text, amounts)])
    return PredictionTable(("cause", "expected", *phases), rows)


def _by_name(prediction: Prediction, by: str, name: Callable[[PredictedRow], str]) -> PredictionTable:
    groups: dict[str, list[PredictedRow]] = {}
    for row in prediction.rows:
        groups.setdefault(name(row), []).append(row)
    step = sum(row.seconds.value for row in prediction.rows)
    order = sorted(groups, key=lambda key: -sum(row.seconds.value for row in groups[key]))
    shown = order if len(order) <= MAX_ROWS else order[: MAX_ROWS - 1]
    rows = [_line(key, groups[key], step) for key in shown]
    rest = [row for key in order[len(shown) :] for row in groups[key]]
    if rest:
        rows.append(_line(f"{len(order) - len(shown)} others", rest, step))
    return PredictionTable((by, "expected", "share", "forward", "backward", "update", "bound by"), rows)


def _line(name: str, rows: Sequence[PredictedRow], step: float) -> list[str]:
    """One name with its seconds by phase; the loss stands in halves under forward and backward."""
    total = sum(row.seconds.value for row in rows)
    loss = sum(row.seconds.value for row in rows if row.phase == "loss") / 2
    phases = [sum(row.seconds.value for row in rows if row.phase == phase) for phase in TIMED_PHASES]
    amounts = [phases[0] + loss, phases[1] + loss, phases[2]]
    causes = {cause: sum(row.causes.get(cause, 0.0) for row in rows) for cause in CAUSES}
    bound = max(causes, key=lambda cause: causes[cause])
    cells = [seconds_text(amount) if amount else "" for amount in amounts]
    return [name, seconds_text(total), percent(total / step) if step else "", *cells, _WORDS.get(bound, bound)]


def aligned(table: PredictionTable) -> list[str]:
    """Titles, a rule and the lines; the first column stands left and gives way where there is no room."""
    cells = [list(table.columns), *map(list, table.rows)]
    others = [max(len(line[i]) for line in cells) for i in range(1, len(table.columns))]
    room = max(_NARROWEST, _WIDTH - sum(others) - 2 * len(others))
    names = [line[0] if len(line[0]) <= room else f"…{line[0][1 - room :]}" for line in cells]
    first = max(map(len, names))
    lines = []
    for name, line in zip(names, cells, strict=True):
        rest = [cell.rjust(width) for cell, width in zip(line[1:], others, strict=True)]
        lines.append("  ".join([name.ljust(first), *rest]))
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


def wrapped(name: str, text: str, margin: int) -> list[str]:
    """A name and, beside it, its text in lines of at most 80 columns."""
    from textwrap import wrap

    lines = wrap(text, _WIDTH - margin) or [""]
    return [f"{name:<{margin}}{lines[0]}", *(" " * margin + line for line in lines[1:])]
