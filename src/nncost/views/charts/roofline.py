"""The roofline: layers as points under what a device can do, by how many flops they have for each byte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, floor, log10

from nncost.documents.document import Bars, Cell, Chart, Number, Table
from nncost.ir.graph import PHASES
from nncost.report import Report
from nncost.timing.devices.catalogue import device_named
from nncost.units import counted, rate_text, seconds_text
from nncost.views.cells import seconds, share
from nncost.views.charts.bars import are_drawn
from nncost.views.charts.parts import (
    TOP,
    WIDTH,
    Spec,
    check_numbers,
    described,
    log_ticks,
    nothing_to_draw,
    of_batch,
    phase_colour,
    share_text,
    spec,
    titled,
    tooltip,
)
from nncost.views.charts.roofline_labels import HEIGHT, labels, roof_labels
from nncost.views.charts.roofline_points import Point, Roof, points_of, together

_MOST = 600
"""Points that are drawn: those that take longest."""
_SHAPES = {"forward": "circle", "loss": "cross", "backward": "square", "update": "triangle-up"}


def roofline_chart(report: Report, on: str, top: int = TOP) -> Chart:
    """Return the layers of each phase as points under the roofline of a device of the catalogue.

    A point is as high as its predicted flops a second; text lists the ``top`` that take longest. Raise OptionError for an
    unknown device or where nothing has flops and bytes, and SymbolError where sizes have no numbers.
    """
    device = device_named(on)
    check_numbers(amount for row in report.rows for amount in row.counts.values())
    roof = Roof(device, device.peak(report.settings["dtype"]), device.bandwidth_bytes_per_second)
    points = together(points_of(report, device))
    if not points:
        raise nothing_to_draw(
            "both flops and bytes", report.unknown, "The chart layers shows either: --quantity bytes."
        )
    what = f"layers under the roofline of {device.title}, {report.settings['dtype']}, {of_batch(report.settings)}"
    return Chart(
        titled(report.source.name, what, report.unknown),
        described(_sentences(points, roof), report.unknown),
        _picture(sorted(points, key=lambda point: -point.seconds)[:_MOST], roof),
        _table(points, roof),
        report.complete,
        _table(points, roof, top),
    )


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
    yield "Each product of a contraction is two flops here, as in a device's peak, whatever the convention of a count."


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
        *roof_labels(roof, x, y, (left, right), (low, high)),
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
        *labels(points, roof, x, y, (left, right), (low, high)),
    ]
    return spec(WIDTH, height=HEIGHT, is_interactive=True, data={"values": values}, layer=layers)


def _domains(points: Sequence[Point], roof: Roof) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where both axes begin and end: whole decades around all points, and both sides of the ridge."""
    thin, thick = min(point.intensity for point in points), max(point.intensity for point in points)
    slow = min(point.rate for point in points)
    left, right = floor(log10(thin) - 0.1), ceil(log10(max(thick, 5 * roof.ridge)) + 0.1)
    return (10.0**left, 10.0**right), (10.0 ** floor(log10(slow) - 0.1), roof.peak * 2.5)


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
