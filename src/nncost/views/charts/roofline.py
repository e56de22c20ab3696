"""The roofline: layers as points under what a device can do, by how many flops they have for each byte."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import atan2, ceil, degrees, floor, log10

from nncost.documents.document import Bars, Cell, Chart, Number, Table
from nncost.errors import OptionError
from nncost.ir.graph import PHASES
from nncost.layer_paths import pattern_of, ranged
from nncost.names import cut
from nncost.records import record
from nncost.report import Report
from nncost.timing.devices.catalogue import device_named
from nncost.timing.devices.device import Device
from nncost.timing.roofline import predict_on
from nncost.timing.row_cost import work_of
from nncost.units import counted, rate_text, seconds_text
from nncost.views.cells import seconds, share
from nncost.views.charts.bars import are_drawn
from nncost.views.charts.parts import (
    TOP,
    WIDTH,
    Spec,
    check_numbers,
    described,
    lettered,
    log_ticks,
    of_batch,
    phase_colour,
    share_text,
    spec,
    titled,
    tooltip,
)

HEIGHT = 380
_LABELS = 6
_MOST = 600
"""Points that are drawn: those that take longest."""
_CIRCLE = 360
_LETTER, _LINE = 6.2, 14
_DOT, _BESIDE = 7, 12
"""Half the room of a point, and how far its label is from its middle."""
_OFFSETS = {
    "right": ("left", _BESIDE, 0),
    "below": ("center", 0, 16),
    "left": ("right", -_BESIDE, 0),
    "above": ("center", 0, -16),
}
"""Where a label may stand, best first: how it is aligned there, and how far from its point."""
Box = tuple[float, float, float, float]
"""Left, upper, right and lower edge."""
_SHAPES = {"forward": "circle", "loss": "cross", "backward": "square", "update": "triangle-up"}


@record
class Point:
    """A layer in one phase, or equal ones together: flops for each byte, flops a second, and what it takes."""

    path: str
    phase: str
    flops: int
    bytes: int
    seconds: float
    op: str = ""
    """Where the layer has several operations in the phase, which of them it is."""

    @property
    def name(self) -> str:
        """The layer, and the operation if it has several."""
        return f"{self.path} {self.op}".strip()

    @property
    def label(self) -> str:
        """The name and the phase."""
        return self.path if self.name == self.phase else f"{self.name} {self.phase}"

    @property
    def intensity(self) -> float:
        """Flops for each byte of traffic."""
        return self.flops / self.bytes

    @property
    def rate(self) -> float:
        """Flops a second."""
        return self.flops / self.seconds


@record
class Roof:
    """What a device can do: ``peak`` flops a second, and what its memory feeds."""

    device: Device
    peak: float
    bandwidth: float

    @property
    def ridge(self) -> float:
        """The flops for each byte from which on arithmetic is the limit."""
        return self.peak / self.bandwidth

    def at(self, intensity: float) -> float:
        """Flops a second that are attainable."""
        return min(self.peak, self.bandwidth * intensity)


def roofline_chart(report: Report, on: str, top: int = TOP) -> Chart:
    """Return the layers of each phase as points under the roofline of a device of the catalogue.

    A point is as high as its predicted flops a second; text lists the ``top`` that take longest. Raise OptionError for an unknown device or where nothing has
    flops and bytes, and SymbolError where sizes have no numbers.
    """
    device = device_named(on)
    check_numbers(amount for row in report.rows for amount in row.counts.values())
    roof = Roof(device, device.peak(report.settings["dtype"]), device.bandwidth_bytes_per_second)
    points = _together(list(_points(report, device)))
    if not points:
        raise OptionError("no layer has both flops and bytes: there is no point to draw.")
    what = f"layers under the roofline of {device.title}, {report.settings['dtype']}, {of_batch(report.settings)}"
    return Chart(
        titled(report.source.name, what, report.unknown),
        described(_sentences(points, roof), report.unknown),
        _picture(sorted(points, key=lambda point: -point.seconds)[:_MOST], roof),
        _table(points, roof),
        report.complete,
        _table(points, roof, top),
    )


def _points(report: Report, device: Device) -> Iterator[Point]:
    works = work_of(report, accelerator=True)
    rows = [
        (row, traffic)
        for row, parts in zip(predict_on(report, device).rows, works, strict=True)
        if row.flops and row.seconds.value and (traffic := sum(part.bytes for part in parts))
    ]
    several = Counter((row.path, row.phase) for row, _ in rows)
    before: Counter[tuple[str, str, str]] = Counter()
    for row, traffic in rows:
        assert row.flops
        before[row.path, row.phase, row.op] += 1
        again = before[row.path, row.phase, row.op]
        op = row.op if row.path and several[row.path, row.phase] > 1 else ""
        numbered = f"{op} ({again})" if again > 1 else op
        yield Point(row.path or row.op, row.phase, row.flops, traffic, row.seconds.value, numbered.strip())


def _together(points: Sequence[Point]) -> list[Point]:
    """Points of layers whose names differ in numbers only, and which lie on each other, as one."""
    groups: dict[object, list[Point]] = {}
    for point in points:
        key = (pattern_of(point.path), point.op, point.phase, point.flops, point.bytes, f"{point.seconds:.6g}")
        groups.setdefault(key, []).append(point)
    return [
        Point(ranged(each.path for each in same), same[0].phase, len(same) * same[0].flops, len(same) * same[0].bytes,
              len(same) * same[0].seconds, same[0].op)
        for same in groups.values()
    ]  # fmt: skip


def _sentences(points: Sequence[Point], roof: Roof) -> Iterator[str]:
    whole = sum(point.seconds for point in points)
    fed = sum(point.seconds for point in points if point.intensity < roof.ridge)
    yield (
        f"{roof.device.title} reaches {rate_text(roof.peak, 'flop/s')} from {roof.ridge:.3g} flops for each byte on; "
        f"with fewer its memory, {rate_text(roof.bandwidth, 'B/s')}, is the limit."
    )
    if len(points) > _MOST:
        yield f"Of {len(points):,} points, the {_MOST} that take longest are drawn."
    yield f"{share_text(fed, whole)} of the time of {counted(len(points), 'point')} is left of that."
    top = max(points, key=lambda point: point.seconds)
    yield (
        f"The longest: {top.label} with {top.intensity:.3g} flops for each byte at {rate_text(top.rate, 'flop/s')}, "
        f"{share_text(top.rate, roof.at(top.intensity))} of what is attainable there."
    )


def _picture(points: Sequence[Point], roof: Roof) -> Spec:
    (left, right), (low, high) = _domains(points, roof)
    whole = sum(point.seconds for point in points)
    values = [
        {
            "name": point.name, "phase": point.phase, "intensity": point.intensity, "rate": point.rate, "share": point.seconds / whole,
            "flops_per_byte": f"{point.intensity:.3g}", "flops_per_second": rate_text(point.rate, "flop/s"),
            "of_roof": share_text(point.rate, roof.at(point.intensity)), "time": seconds_text(point.seconds),
        }
        for point in points
    ]  # fmt: skip
    x: Spec = {"field": "intensity", "type": "quantitative", "scale": {"type": "log", "domain": [left, right], "nice": False},
         "axis": {"title": "flops for each byte", "format": "~g", **log_ticks(left, right)}}  # fmt: skip
    y: Spec = {"field": "rate", "type": "quantitative", "scale": {"type": "log", "domain": [low, high], "nice": False},
         "axis": {"title": "flops a second", "format": "~s", **log_ticks(low, high)}}  # fmt: skip
    used = {point.phase for point in points}
    order = [phase for phase in PHASES if phase in used]
    legend = {"values": order} if len(order) > 1 else None
    shape = {
        "field": "phase",
        "type": "nominal",
        "scale": {"domain": list(PHASES), "range": [_SHAPES[phase] for phase in PHASES]},
        "legend": legend,
    }
    size = {
        "field": "share",
        "type": "quantitative",
        "scale": {"domain": [0, max(point.seconds for point in points) / whole], "range": [34, 260]},
        "legend": None,
    }
    hover = tooltip(
        name="layer",
        phase="phase",
        flops_per_byte="flops for each byte",
        flops_per_second="predicted",
        of_roof="of the roof",
        time="time",
    )
    corner = [
        {"intensity": start, "rate": roof.at(start)} for start in (max(left, low / roof.bandwidth), roof.ridge, right)
    ]
    layers: list[Spec] = [
        {"data": {"values": corner}, "mark": {"type": "line", "style": "roof"}, "encoding": {"x": x, "y": y}},
        *_roof_labels(roof, x, y, (left, right), (low, high)),
        {
            "params": [{"name": "zoom", "select": "interval", "bind": "scales"}],
            "mark": {"type": "point", "style": "dot"},
            "encoding": {
                "x": x,
                "y": y,
                "color": {**phase_colour(order), "legend": legend},
                "shape": shape,
                "size": size,
                "tooltip": hover,
            },
        },
        *_labels(points, roof, x, y, (left, right), (low, high)),
    ]
    return spec(WIDTH, height=HEIGHT, is_interactive=True, data={"values": values}, layer=layers)


def _domains(points: Sequence[Point], roof: Roof) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where both axes begin and end: whole decades around all points, and both sides of the ridge."""
    thin, thick = min(point.intensity for point in points), max(point.intensity for point in points)
    slow = min(point.rate for point in points)
    left, right = floor(log10(thin) - 0.1), ceil(log10(max(thick, 5 * roof.ridge)) + 0.1)
    return (10.0**left, 10.0**right), (10.0 ** floor(log10(slow) - 0.1), roof.peak * 2.5)


def _roof_labels(roof: Roof, x: Spec, y: Spec, across: tuple[float, float], up: tuple[float, float]) -> Iterator[Spec]:
    """Yield the peak above the roof and, along its slope, the bandwidth."""
    peak = [{"intensity": across[1], "rate": roof.peak, "text": f"peak {rate_text(roof.peak, 'flop/s')}"}]
    yield from lettered({
        "data": {"values": peak}, "mark": {"type": "text", "align": "right", "baseline": "bottom", "dy": -5, "style": "soft"},
        "encoding": {"x": x, "y": y, "text": {"field": "text", "type": "nominal"}},
    })  # fmt: skip
    wide, tall = WIDTH / log10(across[1] / across[0]), HEIGHT / log10(up[1] / up[0])
    start = max(across[0], up[0] / roof.bandwidth)
    middle = (start * roof.ridge) ** 0.5
    yield from lettered({
        "data": {"values": [{"intensity": middle, "rate": roof.at(middle), "text": f"memory {rate_text(roof.bandwidth, 'B/s')}"}]},
        "mark": {"type": "text", "baseline": "bottom", "dy": -6, "angle": _CIRCLE - degrees(atan2(tall, wide)), "style": "soft"},
        "encoding": {"x": x, "y": y, "text": {"field": "text", "type": "nominal"}},
    })  # fmt: skip


def _labels(
    points: Sequence[Point], roof: Roof, x: Spec, y: Spec, across: tuple[float, float], up: tuple[float, float]
) -> Iterator[Spec]:
    """Yield the names of the points that take longest, each beside its point where nothing else is."""
    boxes = [_around(_place(point, across, up)) for point in points]
    found: dict[str, list[Spec]] = {place: [] for place in _OFFSETS}
    for point in sorted(points, key=lambda point: -point.seconds)[: 3 * _LABELS]:
        name = cut(point.label, 36)
        for where, box in _beside(_place(point, across, up), len(name) * _LETTER):
            is_inside = box[0] >= 0 and box[2] <= WIDTH and box[3] <= HEIGHT
            if (
                is_inside
                and not any(_overlap(box, other) for other in boxes)
                and not _meets_roof(box, roof, across, up)
            ):
                boxes.append(box)
                found[where].append({"intensity": point.intensity, "rate": point.rate, "text": name})
                break
        if sum(map(len, found.values())) == _LABELS:
            break
    for where, values in found.items():
        align, dx, dy = _OFFSETS[where]
        yield from lettered({
            "data": {"values": values},
            "mark": {"type": "text", "align": align, "baseline": "middle", "dx": dx, "dy": dy},
            "encoding": {"x": x, "y": y, "text": {"field": "text", "type": "nominal"}},
        })  # fmt: skip


def _around(place: tuple[float, float]) -> Box:
    return place[0] - _DOT, place[1] - _DOT, place[0] + _DOT, place[1] + _DOT


def _beside(place: tuple[float, float], wide: float) -> Iterator[tuple[str, Box]]:
    """Yield where a label may stand, and the room that it takes there."""
    shares = {"left": 0.0, "center": 0.5, "right": 1.0}
    for where, (align, dx, dy) in _OFFSETS.items():
        left, middle = place[0] + dx - shares[align] * wide, place[1] + dy
        yield where, (left, middle - _LINE / 2, left + wide, middle + _LINE / 2)


def _meets_roof(box: Box, roof: Roof, across: tuple[float, float], up: tuple[float, float]) -> bool:
    """Whether the roof passes through a box: its left end is above the roof, as the roof rises."""
    intensity = across[0] * 10 ** (box[0] / WIDTH * log10(across[1] / across[0]))
    _, height = _placed(intensity, roof.at(intensity), across, up)
    return height >= box[1] - 2


def _place(point: Point, across: tuple[float, float], up: tuple[float, float]) -> tuple[float, float]:
    """Where a point lies, in points of the picture from its upper left corner."""
    return _placed(point.intensity, point.rate, across, up)


def _placed(intensity: float, rate: float, across: tuple[float, float], up: tuple[float, float]) -> tuple[float, float]:
    return (
        log10(intensity / across[0]) / log10(across[1] / across[0]) * WIDTH,
        HEIGHT - log10(rate / up[0]) / log10(up[1] / up[0]) * HEIGHT,
    )


def _overlap(box: Box, other: Box) -> bool:
    return box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]


def _table(points: Sequence[Point], roof: Roof, top: int | None = None) -> Table:
    """The points that take longest first; of more than ``top`` the others in one row."""
    ranked = sorted(points, key=lambda point: -point.seconds)
    kept = ranked if top is None or len(ranked) <= top else ranked[: max(1, top - 1)]
    rest, whole = ranked[len(kept) :], sum(point.seconds for point in points)
    rows, shares = [_row(point, roof) for point in kept], [point.seconds for point in kept]
    if rest:
        shares.append(sum(point.seconds for point in rest))
        flops, traffic = sum(point.flops for point in rest), sum(point.bytes for point in rest)
        rows.append((f"{len(rest):,} others", flops, traffic, "", "", "", seconds(shares[-1])))
    drawn = are_drawn(shares, [*(False for _ in kept), *(True for _ in rest[:1])])
    bars = Bars("time", tuple(each / whole if is_drawn else None for each, is_drawn in zip(shares, drawn, strict=True)))
    header = ("layer", "flops", "bytes", "flops/byte", "predicted", "of roof", "time")
    return Table(header, tuple(rows), spare=("flops", "bytes"), bars=bars)


def _row(point: Point, roof: Roof) -> tuple[Cell, ...]:
    return (
        point.label, point.flops, point.bytes, Number(point.intensity, f"{point.intensity:.3g}"),
        Number(point.rate, rate_text(point.rate, "flop/s")), share(point.rate / roof.at(point.intensity)), seconds(point.seconds),
    )  # fmt: skip
