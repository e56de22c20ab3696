"""Names in the picture of a roofline: those of the roof along it, and those of points beside them where nothing else is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import atan2, degrees, log10

from nncost.names import cut
from nncost.units import rate_text
from nncost.views.charts.parts import WIDTH, Spec, lettered
from nncost.views.charts.roofline_points import Point, Roof

HEIGHT = 380
_LABELS = 6
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


def roof_labels(roof: Roof, x: Spec, y: Spec, across: tuple[float, float], up: tuple[float, float]) -> Iterator[Spec]:
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


def labels(
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
