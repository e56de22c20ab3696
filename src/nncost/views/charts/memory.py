"""Memory over a step: the bytes in use as its layers run, with the peak and the layer it is in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from nncost.counting.memory.memory import TimelineRow
from nncost.documents.document import Bars, Cell, Chart, Table
from nncost.errors import OptionError
from nncost.names import cut
from nncost.records import record
from nncost.report import Report
from nncost.units import bytes_text, exact
from nncost.views.charts.parts import (
    TOP,
    WIDTH,
    Spec,
    Unit,
    byte_unit,
    check_numbers,
    described,
    lettered,
    number,
    of_batch,
    spec,
    titled,
    tooltip,
)

HEIGHT = 300
_ROOM = 24
"""What a line of text takes below the line of what was there before."""
_MOST = 480
"""Places along the step; more of them are joined, the highest peak of them kept."""


@record
class Moment:
    """Some consecutive operations: what is in use before, at most during, and after them."""

    name: str
    phase: str
    before: int
    peak: int
    after: int


def memory_chart(report: Report) -> Chart:
    """Return the bytes in use over one step, the phases, what was there before it, and the peak with its layer.

    Raise OptionError where the timeline is not known, and SymbolError where sizes have no numbers.
    """
    moments = list(_moments(report))
    top = max(moments, key=lambda moment: moment.peak)
    resident = moments[0].before
    unit = byte_unit(top.peak)
    where = _place(top)
    sentences = [
        f"At most {exact(top.peak)} bytes ({bytes_text(top.peak)}) are in use, in {where}.",
        f"{bytes_text(resident)} are there before the step: parameters, optimizer state and inputs.",
        f"After the forward pass {bytes_text(kept)} are in use." if (kept := _after_forward(moments)) else "",
    ]
    return Chart(
        titled(report.source.name, f"memory over one step, {of_batch(report.settings)}", report.unknown),
        described(sentences, report.unknown),
        _picture(_fewer(moments, _MOST), unit, resident),
        _table(moments),
        report.complete,
        _table(_fewer(moments, TOP), -(-len(moments) // TOP)),
    )


def _moments(report: Report) -> Iterator[Moment]:
    timeline = report.memory.timeline
    check_numbers([report.memory.resident, *(row.live for row in timeline)])
    if not timeline or any(row.peak is None for row in timeline):
        reason = report.memory.notes[0] if report.memory.notes else "Nothing is allocated here."
        raise OptionError("there is no timeline of memory to draw.", hint=reason)
    before = number(timeline[0].live) - number(timeline[0].allocated) + number(timeline[0].freed)
    for row in timeline:
        assert row.peak is not None
        yield Moment(row.path, row.phase, before, number(row.peak), number(row.live))
        before = number(row.live)


def _place(moment: Moment | TimelineRow) -> str:
    path = getattr(moment, "name", "") or getattr(moment, "path", "")
    return path if path == moment.phase else f"{path} {moment.phase}".strip()


def _after_forward(moments: Sequence[Moment]) -> int:
    forward = [moment for moment in moments if moment.phase == "forward"]
    return forward[-1].after if 0 < len(forward) < len(moments) else 0


def _fewer(moments: Sequence[Moment], most: int) -> list[Moment]:
    """About ``most`` places: of joined ones the highest peak, of one phase at a time."""
    step = -(-len(moments) // most)
    joined = []
    for _, group in groupby(moments, key=lambda moment: moment.phase):
        same = list(group)
        for first in range(0, len(same), step):
            part = same[first : first + step]
            top = max(part, key=lambda moment: moment.peak)
            joined.append(Moment(top.name, top.phase, part[0].before, top.peak, part[-1].after))
    return joined


def _picture(moments: Sequence[Moment], unit: Unit, resident: int) -> Spec:
    values = [
        {
            "start": place, "end": place + 1, "name": moment.name or "outside layers", "phase": moment.phase,
            "after": unit.of(moment.after), "peak": unit.of(moment.peak), "low": unit.of(min(moment.before, moment.after)),
            "live": exact(moment.after), "most": exact(moment.peak),
        }
        for place, moment in enumerate(moments)
    ]  # fmt: skip
    count, highest = len(moments), max(moment.peak for moment in moments)
    ceiling = unit.of(highest) * 1.16
    has_room = HEIGHT * unit.of(resident) / ceiling > _ROOM
    there = f"before the step {bytes_text(resident)}"
    title = "the step, layer by layer" if has_room else f"the step, layer by layer; {there} (dashed)"
    x = {"field": "start", "type": "quantitative", "scale": {"domain": [0, count], "nice": False},
         "axis": {"title": title, "labels": False, "grid": False, "ticks": False}}  # fmt: skip
    y = {"type": "quantitative", "axis": unit.axis("in use"), "scale": {"domain": [0, ceiling], "nice": False}}
    hover = tooltip(name="layer", phase="phase", live="bytes after it", most="bytes at most")
    base = {"datum": unit.of(resident)}
    at = next(place for place, moment in enumerate(moments) if moment.peak == highest)
    left = at > count / 2
    said = f"peak {bytes_text(highest)}, {cut(_place(moments[at]), 44)}"
    mark = [{"start": at + 0.5, "value": unit.of(highest), "text": said}]
    last = {**values[-1], "start": count}
    curve = {"type": "area", "interpolate": "step-after", "style": "during", "line": False}
    layers: list[Spec] = [
        *_bands(moments, x, ceiling),
        {"data": {"values": [*values, last]}, "mark": {**curve, "fillOpacity": 0.4}, "encoding": {"x": x, "y": {**y, "field": "peak"}}},
        {"data": {"values": [*values, last]}, "mark": curve, "encoding": {"x": x, "y": {**y, "field": "after"}}},
        {
            "params": [{"name": "zoom", "select": {"type": "interval", "encodings": ["x"]}, "bind": "scales"}],
            "mark": {"type": "rect", "fillOpacity": 0, "style": "during"},
            "encoding": {"x": x, "x2": {"field": "end"}, "y": {**y, "field": "peak"}, "y2": {"datum": 0}, "tooltip": hover},
        },
        {"data": {"values": [{}]}, "mark": {"type": "rule", "strokeDash": [6, 4], "style": "base"}, "encoding": {"y": {**y, **base}}},
        {
            "data": {"values": [{"text": there}] if has_room else []},
            "mark": {"type": "text", "align": "right", "baseline": "top", "dx": -8, "dy": 6, "style": "on-dark"},
            "encoding": {"x": {"value": WIDTH}, "y": {**y, **base}, "text": {"field": "text", "type": "nominal"}},
        },
        {"data": {"values": mark}, "mark": {"type": "point", "shape": "circle", "size": 60, "style": "peak"},
         "encoding": {"x": x, "y": {**y, "field": "value"}}},
        *lettered({
            "data": {"values": mark},
            "mark": {"type": "text", "align": "right" if left else "left", "baseline": "bottom", "dx": -7 if left else 7, "dy": -3,
                     "fontWeight": "bold", "style": "peak"},
            "encoding": {"x": x, "y": {**y, "field": "value"}, "text": {"field": "text", "type": "nominal"}},
        }),
    ]  # fmt: skip
    return spec(WIDTH, height=HEIGHT, is_interactive=True, data={"values": values}, layer=layers)


def _bands(moments: Sequence[Moment], x: Spec, ceiling: float) -> Iterator[Spec]:
    """Yield the phases behind the curve, every other one shaded, with their names at the top."""
    bands: list[Spec] = []
    place = 0
    for phase, group in groupby(moments, key=lambda moment: moment.phase):
        count = len(list(group))
        bands.append({"start": place, "end": place + count, "phase": phase, "shade": len(bands) % 2})
        place += count
    whole = len(moments)
    for band in bands:
        band["shown"] = band["phase"] if band["end"] - band["start"] >= whole * 0.09 else ""
    plain = {"x": x, "x2": {"field": "end"}}
    yield {
        "data": {"values": [band for band in bands if band["shade"]]},
        "mark": {"type": "rect", "style": "band"},
        "encoding": {**plain, "y": {"value": 0}, "y2": {"value": HEIGHT}},
    }
    yield from lettered({
        "data": {"values": bands},
        "transform": [{"calculate": "(datum.start + datum.end) / 2", "as": "middle"}],
        "mark": {"type": "text", "baseline": "top", "dy": 6, "style": "soft"},
        "encoding": {"x": {**x, "field": "middle"}, "y": {"value": 0}, "text": {"field": "shown", "type": "nominal"}},
    })  # fmt: skip


def _table(moments: Sequence[Moment], joined: int = 1) -> Table:
    """A row for each moment, the highest of up to so many ``joined`` ones."""
    highest = max(moment.peak for moment in moments)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (f"{_place(moment)}{' ◄ peak' if moment.peak == highest else ''}", moment.after, moment.peak)
        for moment in moments
    )
    shares = tuple(moment.peak / highest if highest else 0.0 for moment in moments)
    head = "layer" if joined == 1 else f"highest of {joined}"
    return Table((head, "bytes after it", "bytes at most"), rows, bars=Bars("bytes at most", shares))
