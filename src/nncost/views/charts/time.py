"""Seconds by what they go into: arithmetic, memory traffic, overhead, first touches of memory."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.documents.document import Chart
from nncost.pipeline.choices import check_choice
from nncost.timing.prediction import CAUSES, PredictedRow, Prediction
from nncost.units import seconds_text
from nncost.views import cut_path
from nncost.views.cells import seconds
from nncost.views.charts.bars import Bar, most, numbers, stacked
from nncost.views.charts.parts import TOP, colour, described, nothing_to_draw, of_batch, second_unit, share_text, titled

BY = ("layer", "phase", "op")
_WORDS = {"page_faults": "page faults"}
_COLOURS = ("arithmetic", "page faults", "memory", "overhead")
"""The causes in the order of the theme's colours, so that those which often meet are told apart in grey."""


def time_chart(prediction: Prediction, by: str = "layer", top: int = TOP) -> Chart:
    """Return the seconds of each layer, phase or op by their causes; of many names the ``top`` that take longest.

    Raise OptionError for another ``by``.
    """
    check_choice("grouping", by, BY)
    names = [_WORDS.get(cause, cause) for cause in CAUSES]
    bars = [Bar(name, _causes(rows)) for name, rows in _grouped(prediction.rows, by).items()]
    shown, others = most(bars, top, in_order=by == "phase")
    step = prediction.seconds["step"]
    used = [name for name in names if any(bar.parts.get(name) for bar in shown)]
    if not used:
        raise nothing_to_draw("seconds", prediction.unknown, "Nothing here computes or moves anything.")
    unit = second_unit(max((bar.total for bar in shown if not bar.others), default=0.0))
    device = str(prediction.device.get("title") or prediction.device.get("name", "this machine"))
    sentences = [
        f"One step takes {seconds_text(step.value)} on {device} ({prediction.label}), between {seconds_text(step.low)} and {seconds_text(step.high)}.",
        f"By cause: {', '.join(f'{name} {share_text(_of(shown, name), _all(shown))}' for name in used)}.",
        f"The longest, {share_text(shown[0].total, _all(shown))}: {shown[0].name}." if shown and by != "phase" else "",
        f"The {len(shown) - 1} that take longest are shown, the others as one." if others else "",
    ]
    what = "seconds" if unit.name == "s" else "time"
    return Chart(
        titled(prediction.source, f"time by {by} on {device}, {of_batch(prediction.settings)}", prediction.unknown),
        described(sentences, prediction.unknown),
        stacked(shown, names, unit, what, (seconds_text, seconds_text), colour("part", _COLOURS, used), by),
        numbers(by, shown, names, lambda amount: seconds(amount) if amount else "", "time"),
        prediction.complete,
    )


def _grouped(rows: Sequence[PredictedRow], by: str) -> dict[str, list[PredictedRow]]:
    groups: dict[str, list[PredictedRow]] = {}
    for row in rows:
        name = {"op": row.op, "phase": row.phase, "layer": cut_path(row.path, None) or row.op}[by]
        groups.setdefault(name, []).append(row)
    return groups


def _causes(rows: Sequence[PredictedRow]) -> dict[str, float]:
    sums = {cause: sum(row.causes.get(cause, 0.0) for row in rows) for cause in CAUSES}
    return {_WORDS.get(cause, cause): amount for cause, amount in sums.items() if amount}


def _of(bars: Sequence[Bar], name: str) -> float:
    return sum(bar.parts.get(name, 0.0) for bar in bars)


def _all(bars: Sequence[Bar]) -> float:
    return sum(bar.total for bar in bars)
