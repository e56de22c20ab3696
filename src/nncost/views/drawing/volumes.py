"""Volumes of feature maps in rows from left to right, and the neurons behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from nncost.dims import Dim, add_all
from nncost.units import noun
from nncost.views.drawing.boxes import FILLS, LOWEST, Scale, draw_box
from nncost.views.drawing.chain import Column
from nncost.views.drawing.layers import CONV, UNKNOWN, family_of
from nncost.views.drawing.neurons import Dots, Left, dots_of, draw_column, draw_left_out, draw_lines
from nncost.views.drawing.stages import Pictured, Volume
from nncost.views.drawing.svg import Canvas
from nncost.views.drawing.text import amount, channels_of, fitted, listed, path_fitted, text_width, times_of, wrapped

_SIZE, _BOLD = 11.0, 13.0
_LINE = 16.0
_WIDEST_ROW, _GAP, _LABEL_WIDTH = 1180.0, 26.0, 136.0
_RADIUS, _PITCH, _SLOTS = 6.5, 17.0, 9
_APART = 7.0
_MOST_THINGS, _KEPT_FIRST, _KEPT_LAST = 18, 8, 7


@dataclass(slots=True)
class Place:
    """A volume or a column in a row: its measures, then where its middle is."""

    what: Volume | Column | Left
    width: float
    lines: list[str]
    x: float = 0.0
    y: float = 0.0


def draw_volumes(canvas: Canvas, picture: Pictured) -> None:
    """Draw volumes, then neurons, from left to right in as many rows as they need."""
    scale = Scale(picture.volumes)
    things: list[Volume | Column | Left] = [*picture.volumes, *picture.columns]
    if len(things) > _MOST_THINGS:
        left = Left(len(things) - _KEPT_FIRST - _KEPT_LAST)
        things = [*things[:_KEPT_FIRST], left, *things[-_KEPT_LAST:]]
    places = [Place(thing, 0.0, _lines(thing)) for thing in things]
    for place in places:
        place.width = max(
            _extent(place.what, scale),
            *(text_width(line, _BOLD if i == 0 else _SIZE) for i, line in enumerate(place.lines)),
        )
    y = 0.0
    rows = _rows(places)
    for number, row in enumerate(rows):
        half = max(_half(place.what, scale) for place in row)
        y += half
        x = 0.0
        for place in row:
            place.x, place.y = x + place.width / 2, y
            x += place.width + _GAP
        if number:
            canvas.line((-14, y), (row[0].x - _extent(row[0].what, scale) / 2 - 6, y), arrow=True)
        _draw_row(canvas, row, scale, half, picture.are_stages)
        if number < len(rows) - 1:
            start = row[-1].x + _extent(row[-1].what, scale) / 2 + 6
            canvas.line((start, y), (x - 6, y), arrow=True)
        y += half + _LINE * max(len(place.lines) for place in row) + 46


def _extent(what: Volume | Column | Left, scale: Scale) -> float:
    if isinstance(what, Left):
        return 44.0
    if isinstance(what, Column):
        return 2 * _RADIUS + 30
    thickness, _, back = scale.box(what.shape)
    return what.drawn * thickness + (what.drawn - 1) * _APART + back


def _half(what: Volume | Column | Left, scale: Scale) -> float:
    if isinstance(what, Left):
        return LOWEST
    if isinstance(what, Column):
        return _SLOTS * _PITCH / 2
    _, height, back = scale.box(what.shape)
    return (height + back) / 2


def _rows(places: Sequence[Place]) -> list[list[Place]]:
    """Rows of about the same width, none wider than a page."""
    total = sum(place.width + _GAP for place in places)
    share = total / max(1, -(-total // _WIDEST_ROW)) + 1
    rows: list[list[Place]] = [[]]
    width = 0.0
    for place in places:
        if rows[-1] and (width + place.width > _WIDEST_ROW or width + place.width / 2 > share):
            rows.append([])
            width = 0.0
        rows[-1].append(place)
        width += place.width + _GAP
    return rows


# ------------------------------------------------------------------- drawing
def _draw_row(canvas: Canvas, row: Sequence[Place], scale: Scale, half: float, are_stages: bool) -> None:
    dots = [_dots(place.what) for place in row]
    for i, place in enumerate(row):
        if i and dots[i] is not None and dots[i - 1] is not None:
            left, right = _moved(dots[i - 1], place.y), _moved(dots[i], place.y)
            draw_lines(canvas, row[i - 1].x, left, place.x, right, _RADIUS)
        elif i:
            start = row[i - 1].x + _extent(row[i - 1].what, scale) / 2 + 5
            end = place.x - _extent(place.what, scale) / 2 - 5 + (15 if dots[i] is not None else 0)
            canvas.line((start, place.y), (end, place.y), arrow=True)
    for i, (place, dot) in enumerate(zip(row, dots, strict=True)):
        with canvas.titled(f"{getattr(place.what, 'path', '') or 'input'}: {', '.join(place.lines)}"):
            if isinstance(place.what, Left):
                draw_left_out(canvas, place.x, place.y)
            elif isinstance(place.what, Volume):
                _draw_volume(canvas, place, place.what, scale)
            else:
                is_last = i == len(row) - 1
                role = "input" if not place.what.path else "output" if is_last else "hidden"
                draw_column(canvas, place.x, _moved(dot, place.y), _RADIUS, role)
            _labels(canvas, place, half)
    for before, place in () if are_stages else pairwise(row):
        _draw_window(canvas, before, place, scale)


def _dots(what: Volume | Column | Left) -> Dots | None:
    return dots_of(what.width, _SLOTS, _PITCH) if isinstance(what, Column) else None


def _moved(dots: Dots | None, y: float) -> Dots:
    assert dots is not None
    return Dots(tuple(y + each for each in dots.circles), tuple(y + each for each in dots.dots))


def _draw_volume(canvas: Canvas, place: Place, volume: Volume, scale: Scale) -> None:
    thickness, height, back = scale.box(volume.shape)
    x = place.x - _extent(volume, scale) / 2
    top = place.y - (height + back) / 2 + back
    for i in reversed(range(volume.drawn)):
        draw_box(canvas, x + i * (thickness + _APART), top, thickness, height, back, volume)
    if volume.shape is None:
        canvas.text(x + thickness / 2, top + height / 2 + 5, "?", 15, bold=True, colour="alarm")


def _draw_window(canvas: Canvas, before: Place, place: Place, scale: Scale) -> None:
    """What one value of a convolution reads of the maps before it: a sketch, not to scale."""
    source, target = before.what, place.what
    if (
        not isinstance(source, Volume)
        or not isinstance(target, Volume)
        or target.family != CONV
        or source.shape is None
    ):
        return
    thickness, height, back = scale.box(source.shape)
    right = before.x - _extent(source, scale) / 2 + thickness
    top = before.y - (height + back) / 2 + back
    left, across = (right + 0.3 * back, 0.4 * back) if back else (right - thickness, thickness)
    rise = across if back else 0.0
    y = top + 0.14 * height - (0.3 * back if back else 0.0)
    down = 0.22 * height
    corners = [(left, y), (left + across, y - rise), (left + across, y - rise + down), (left, y + down)]
    _, high, deep = scale.box(target.shape)
    end = (place.x - _extent(target, scale) / 2, place.y - (high + deep) / 2 + deep + 0.25 * high)
    canvas.shape(corners, "paper", "ink", fill_opacity="0.55", stroke_width="0.9")
    for corner in corners[1:3]:
        canvas.line(corner, end, colour="ink", width=0.7, stroke_dasharray="3 2")


# ------------------------------------------------------------------- labels
def _lines(what: Volume | Column | Left) -> list[str]:
    """What stands below: the shape, the operations, the parameters and the layer's path."""
    if isinstance(what, Left):
        return [f"{amount(what.layers)} more"]
    if isinstance(what, Column):
        words, parameters = dict[str, Dim](Counter(what.words)), [what.weights, what.biases, what.other]
        head = amount(what.width)
    else:
        order = sorted(what.words, key=lambda word: family_of(word) not in FILLS)
        words, parameters = {word: what.words[word] for word in order}, what.parameters
        head = "shape unknown" if what.shape is None else channels_of(what.shape)
    head = head if what.times == 1 else f"{head} {times_of(what.times)}"
    lines = [fitted(head, 190.0, _BOLD), *wrapped(listed(words), _LABEL_WIDTH, _SIZE)]
    total = add_all(parameters)
    if total != 0:
        lines.append(f"{amount(total)} {noun(total, 'parameter')}")
    if isinstance(what, Volume) and what.family == UNKNOWN:
        lines.append("unknown operation")
    if what.path:
        lines.append(_path(what))
    return lines


def _path(what: Volume | Column) -> str:
    """The layer's path; of a stage those of its first and its last layer, or the last one's where both are too long."""
    if text_width(what.path, _SIZE) <= _LABEL_WIDTH or isinstance(what, Column):
        return path_fitted(what.path, _LABEL_WIDTH, _SIZE)
    return path_fitted(what.paths[-1], _LABEL_WIDTH, _SIZE)


def _labels(canvas: Canvas, place: Place, half: float) -> None:
    y = place.y + half + 22
    for i, line in enumerate(place.lines):
        is_path = i > 0 and i == len(place.lines) - 1 and bool(getattr(place.what, "path", ""))
        colour = "alarm" if line == "unknown operation" else "soft" if is_path else "ink"
        canvas.text(place.x, y + i * _LINE, line, _BOLD if i == 0 else _SIZE, bold=i == 0, colour=colour)
