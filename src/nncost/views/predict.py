"""A prediction as a document: seconds by phase, what bounds them, and the layers that take longest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nncost.documents.document import Bars, Block, Cell, Document, Facts, Note, Section, Table
from nncost.pipeline.choices import check_choice
from nncost.timing.prediction import CAUSES, TIMED_PHASES, PredictedRow, Prediction
from nncost.units import bytes_text, counted, grouped, rate_text, seconds_text
from nncost.views import MAX_ROWS, cut_path, shortened
from nncost.views.cells import seconds, share
from nncost.views.command import Command

BY = ("layer", "op", "phase", "cause")
_WORDS = {"page_faults": "page faults"}


def predict_document(
    prediction: Prediction,
    *,
    by: str = "layer",
    depth: int | None = None,
    command: Command | None = None,
    verbose: bool = False,
) -> Document:
    """Return the prediction with rows ``by`` layer, op, phase or cause; ``depth`` cuts paths to so many names.

    ``verbose``: with what operators alone say where steps ran.
    Raise OptionError for another ``by``.
    """
    table = _rows_table(prediction, by, depth)
    blocks: list[Block] = [_phase_table(prediction), Facts(tuple(_facts(prediction, verbose=verbose))), table]
    blocks += [Note(f"Note: {note}", is_warning=not prediction.complete) for note in prediction.notes]
    if command is not None and prediction.memory.get("fits") is False:
        blocks.append(command.next("count", "--fits", str(prediction.memory["capacity_bytes"])))
    return Document(_title(prediction), (Section("", tuple(blocks)),), main=table)


def _title(prediction: Prediction) -> str:
    """The source, the device and how the number was found."""
    device = prediction.device
    name = str(device.get("title") or device.get("name", "this machine"))
    return f"{shortened(prediction.source)} on {name}: {prediction.label}"


def _phase_table(prediction: Prediction) -> Table:
    """Seconds of each phase with their interval."""
    intervals = [
        (name, prediction.seconds[name]) for name in (*TIMED_PHASES, "step", "run") if name in prediction.seconds
    ]
    rows = ((name, seconds(s.value), seconds(s.low), seconds(s.high)) for name, s in intervals)
    return Table(("", "expected", "at least", "at most"), tuple(rows))


def _facts(prediction: Prediction, *, verbose: bool) -> list[tuple[str, str]]:
    """What was predicted, what bounds the step, and what else is known of it."""
    settings = prediction.settings
    training = "forward only" if settings["loss"] == "none" else f"{settings['loss']}, {settings['optimizer']}"
    compiled = ", compiled" if prediction.device.get("compiled") else ""
    found = [("settings", f"batch {settings['batch']}, {settings['dtype']}, {training}{compiled}")]
    found += [("how", prediction.how)] if prediction.how else []
    found += [("operators", _apart(prediction))] if verbose and prediction.operators_alone else []
    found += [("noise", prediction.noise.text)] if prediction.noise is not None else []
    found += [("bound by", _bound(prediction))] if any(row.seconds.value for row in prediction.rows) else []
    peak = prediction.device.get("peak_flops_per_second")
    if prediction.mfu is not None and peak:
        found.append(("peak", f"contractions reach {share(prediction.mfu).text} of {rate_text(peak, 'flop/s')} (MFU)"))
    memory = prediction.memory
    if "peak_bytes" in memory:
        found.append(("memory", _memory(memory)))
    if prediction.joules is not None:
        found.append(("energy", f"{prediction.joules:.3g} J a step if the device draws its rated power"))
    run = prediction.run
    if run is not None:
        batch = f"{counted(run.steps, 'step')} of {grouped(run.batch)}"
        found.append(("run", f"{batch}: {seconds_text(prediction.seconds['run'].value)}"))
    return found


def _apart(prediction: Prediction) -> str:
    """How far the step's operators alone are from the steps that ran."""
    alone, ran = prediction.operators_alone["step"].value, prediction.seconds["step"].value
    return f"alone they say {seconds_text(alone)}, {alone / ran:.2f} times the steps that ran; layers and causes are scaled"


def _memory(memory: Mapping[str, Any]) -> str:
    about = "" if memory["exact"] else "about "
    place = dict.fromkeys(filter(None, (memory["peak_at"], memory["peak_phase"])))
    where = f", in {' '.join(place)}" if place else ""
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
    return ", ".join(f"{_WORDS.get(cause, cause)} {share(shares[cause]).text}" for cause in order if shares[cause])


def _rows_table(prediction: Prediction, by: str, depth: int | None) -> Table:
    """The rows by layer, op, phase or cause; the longest first."""
    check_choice("--by", by, BY)
    if by == "cause":
        return _by_cause(prediction)
    if by == "phase":
        return _by_phase(prediction)
    return _by_name(prediction, by, lambda row: row.op if by == "op" else cut_path(row.path, depth) or row.op)


def _by_phase(prediction: Prediction) -> Table:
    phases = dict.fromkeys(row.phase for row in prediction.rows)
    causes = [cause for cause in CAUSES if any(row.causes.get(cause) for row in prediction.rows)]
    rows = []
    for phase in phases:
        parts = [row for row in prediction.rows if row.phase == phase]
        amounts = (_caused(parts, cause) for cause in causes)
        rows.append((phase, seconds(sum(row.seconds.value for row in parts)), *map(seconds, amounts)))
    return Table(("phase", "expected", *(_WORDS.get(cause, cause) for cause in causes)), tuple(rows))


def _by_cause(prediction: Prediction) -> Table:
    phases = list(dict.fromkeys(row.phase for row in prediction.rows))
    rows = []
    for cause in CAUSES:
        amounts = [_caused([row for row in prediction.rows if row.phase == phase], cause) for phase in phases]
        if any(amounts):
            rows.append((_WORDS.get(cause, cause), seconds(sum(amounts)), *map(seconds, amounts)))
    return Table(("cause", "expected", *phases), tuple(rows))


def _caused(rows: Sequence[PredictedRow], cause: str) -> float:
    return sum(row.causes.get(cause, 0.0) for row in rows)


def _by_name(prediction: Prediction, by: str, name: Callable[[PredictedRow], str]) -> Table:
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
    named = [groups[key] for key in shown] + ([rest] if rest else [])
    header = (by, "expected", "share", "forward", "backward", "update", "bound by")
    bars = Bars(header[-1], tuple(sum(row.seconds.value for row in each) / step if step else 0.0 for each in named))
    return Table(header, tuple(rows), align="lrrrrrr", bars=bars)


def _line(name: str, rows: Sequence[PredictedRow], step: float) -> tuple[Cell, ...]:
    """One name with its seconds by phase; half of the loss stands under forward and half under backward."""
    total = sum(row.seconds.value for row in rows)
    loss = sum(row.seconds.value for row in rows if row.phase == "loss") / 2
    phases = [sum(row.seconds.value for row in rows if row.phase == phase) for phase in TIMED_PHASES]
    amounts = (phases[0] + loss, phases[1] + loss, phases[2])
    bound = max(CAUSES, key=lambda cause: _caused(rows, cause))
    cells = (seconds(amount) if amount else "" for amount in amounts)
    return name, seconds(total), share(total / step) if step else "", *cells, _WORDS.get(bound, bound)
