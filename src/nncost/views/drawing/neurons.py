"""Columns of neurons joined by lines, wide ones and long chains without their middles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from nncost.dims import Dim, add_all, is_symbolic, same
from nncost.records import record
from nncost.units import counted, noun
from nncost.views.drawing.chain import Column
from nncost.views.drawing.svg import Canvas
from nncost.views.drawing.text import amount, fitted, path_fitted, text_width, times_of

_MOST_COLUMNS, _KEPT_FIRST, _KEPT_LAST = 9, 4, 3
_MOST_CIRCLES, _FEWEST_SLOTS, _SLOTS_OF_DOTS = 16, 10, 2
_SMALL, _LABEL = 11.0, 12.5
_LINE = 16.0
_LABEL_WIDTH, _FEWEST_GAP = 132.0, 104.0
_LARGEST_INDEX = 10**6


@record
class Left:
    """Columns that are not drawn: how many layers they are."""

    layers: Dim


@record
class Dots:
    """Where the circles of a column stand, from the top, and where its dots do, if any are left out."""

    circles: tuple[float, ...]
    dots: tuple[float, ...] = ()


def draw_neurons(canvas: Canvas, columns: Sequence[Column]) -> None:
    """Draw the columns from left to right, what each is below it, and the weights between them above."""
    shown = _shown(columns)
    slots = _slots([column.width for column in shown if isinstance(column, Column)])
    pitch, radius = (44.0, 14.0) if slots <= 6 else (31.0, 10.5) if slots <= 10 else (23.0, 8.0)
    places = [dots_of(column.width, slots, pitch) if isinstance(column, Column) else None for column in shown]
    xs = _across(shown, radius)
    ends = [(x, place) for x, place in zip(xs, places, strict=True)]
    for (x0, left), (x1, right) in pairwise(ends):
        draw_lines(canvas, x0, left, x1, right, radius)
    half = slots * pitch / 2
    _frames(canvas, shown, xs, half, radius)
    for i, (column, x, place) in enumerate(zip(shown, xs, places, strict=True)):
        if isinstance(column, Left) or place is None:
            _left_out(canvas, x, column.layers if isinstance(column, Left) else 0)
            continue
        with canvas.titled(_title(column)):
            role = "input" if not column.path else "output" if i == len(shown) - 1 else "hidden"
            draw_column(canvas, x, place, radius, role)
            _names(canvas, x, place, radius + (0 if column.times == 1 else 14), role, column.width)
            _below(canvas, column, x, half + 20, role)
    for (before, x0), (column, x1) in pairwise(zip(shown, xs, strict=True)):
        if isinstance(column, Column) and isinstance(before, Column):
            _weights(canvas, column, (x0 + x1) / 2, -half - 14)


def dots_of(width: Dim, slots: int, pitch: float) -> Dots:
    """The places of a column's circles around 0: all where they fit, else most above and some below dots."""
    if not is_symbolic(width) and width <= slots and width <= _MOST_CIRCLES:
        first = -(int(width) - 1) / 2 * pitch
        return Dots(tuple(first + i * pitch for i in range(int(width))))
    first = -(slots - 1) / 2 * pitch
    above = -(-(slots - _SLOTS_OF_DOTS) * 3 // 5)
    rows = [first + i * pitch for i in range(slots)]
    middle = (rows[above] + rows[above + 1]) / 2
    return Dots(tuple(rows[:above] + rows[above + _SLOTS_OF_DOTS :]), (middle - 9, middle, middle + 9))


def draw_lines(canvas: Canvas, x0: float, left: Dots | None, x1: float, right: Dots | None, radius: float) -> None:
    """A line from each circle on the left to each on the right; None is a gap in the network."""
    if left is None or right is None:
        if left is not None or right is not None:
            _fading(canvas, x0, left, x1, right, radius)
        return
    lines = [(x0, a, x1, b) for a in left.circles for b in right.circles]
    few = len(lines) <= 40
    canvas.strokes(lines, "soft", 0.9 if few else 0.6, 0.75 if few else 0.42)


def draw_column(canvas: Canvas, x: float, place: Dots, radius: float, role: str) -> None:
    """The circles of one column; inputs, which are no neurons, are squares."""
    for y in place.circles:
        if role == "input":
            side = radius * 1.5
            canvas.box(x - side / 2, y - side / 2, side, side, stroke="ink", corner=2, stroke_width="1.2")
            continue
        colour = "update" if role == "output" else "forward"
        canvas.circle(x, y, radius, fill="paper", stroke="paper")
        canvas.circle(x, y, radius, fill=colour, stroke=colour, fill_opacity="0.3", stroke_width="1.6")
    for y in place.dots:
        canvas.circle(x, y, 2.2, fill="ink", stroke="paper", stroke_width="0.6")


def _fading(canvas: Canvas, x0: float, left: Dots | None, x1: float, right: Dots | None, radius: float) -> None:
    """Short lines that lead out of a column, or into one, beside columns that are left out."""
    place = left or right
    start, end = (x0, x0 + 30) if left else (x1 - 30, x1)
    ys = () if place is None else place.circles
    slopes = [(start, y, end, y + (d if left else 0)) for y in ys for d in (-9, 0, 9)]
    if right:
        slopes = [(start, y + d, end, y) for y in ys for d in (-9, 0, 9)]
    canvas.strokes(slopes, "soft", 0.6, 0.5)


# ------------------------------------------------------------------- columns
def _shown(columns: Sequence[Column]) -> list[Column | Left]:
    if len(columns) <= _MOST_COLUMNS:
        return list(columns)
    left = add_all(column.times for column in columns[_KEPT_FIRST:-_KEPT_LAST])
    return [*columns[:_KEPT_FIRST], Left(left), *columns[-_KEPT_LAST:]]


def _slots(widths: Sequence[Dim]) -> int:
    """How many circles the highest column has room for."""
    whole = [int(width) for width in widths if not is_symbolic(width) and width <= _MOST_CIRCLES]
    fit = max(whole, default=1)
    return fit if len(whole) == len(widths) else max(fit, _FEWEST_SLOTS)


def _across(shown: Sequence[Column | Left], radius: float) -> list[float]:
    """Where columns stand, so far from one another that no labels touch."""
    xs = [0.0]
    for before, column in pairwise(shown):
        labels = (_label_width(before) + _label_width(column)) / 2 + 18
        between = 0.0
        if isinstance(column, Column):
            between = max(text_width(line, _SMALL) for line in _weight_lines(column)) + 22
        xs.append(xs[-1] + max(_FEWEST_GAP + 2 * radius, labels, between))
    return xs


def _label_width(column: Column | Left) -> float:
    if isinstance(column, Left):
        return text_width(_left_text(column.layers), _LABEL)
    first, *others = _lines_below(column, "hidden")
    return max(text_width(first, _LABEL * 1.1), *(text_width(line, _SMALL) for line in others), 40.0)


# ------------------------------------------------------------------- labels
def _lines_below(column: Column, role: str) -> list[str]:
    """How many there are of a column's neurons, then what they do, their biases and the layer's path."""
    count = f"{amount(column.width)} {noun(column.width, 'neuron' if column.path else 'input')}"
    if not column.path:
        return [count, fitted(column.words[0], _LABEL_WIDTH, _SMALL), *_words(column.words[1:])]
    biases = _parameters(column.biases, "bias", "biases") if column.biases != 0 else "no biases"
    others = [f"{amount(column.other)} more parameters"] if column.other != 0 else []
    return [count, *_words(column.words), biases, *others, path_fitted(column.path, _LABEL_WIDTH, _SMALL)]


def _words(words: Sequence[str]) -> list[str]:
    return [fitted(", ".join(words), _LABEL_WIDTH, _SMALL)] if words else []


def _parameters(number: Dim, one: str, many: str) -> str:
    return f"{amount(number)} {one if number == 1 else many}"


def _below(canvas: Canvas, column: Column, x: float, y: float, role: str) -> None:
    first, *others = _lines_below(column, role)
    canvas.text(x, y, first, _LABEL * 1.1, bold=True)
    for i, line in enumerate(others):
        last = i == len(others) - 1
        canvas.text(x, y + (i + 1) * _LINE + 2, line, _SMALL, colour="soft" if last else "ink")


def _weight_lines(column: Column) -> list[str]:
    """The weights between two columns: a product and what it is, where both are numbers."""
    total = _parameters(column.weights, "weight", "weights")
    sizes = (column.before, column.width) if column.times == 1 else (column.times, column.before, column.width)
    if any(map(is_symbolic, sizes)):
        return [total]
    product = 1
    for size in sizes:
        product *= size
    if not same(product, column.weights):
        return [total]
    return [" · ".join(map(amount, sizes)), f"= {total}"]


def _weights(canvas: Canvas, column: Column, x: float, y: float) -> None:
    lines = _weight_lines(column)
    for i, line in enumerate(reversed(lines)):
        canvas.text(x, y - i * (_LINE - 2), line, _SMALL, colour="ink" if i == 0 else "soft")


def _names(canvas: Canvas, x: float, place: Dots, radius: float, role: str, width: Dim) -> None:
    """``x₁`` … beside the first and the last input, ``y₁`` … beside those of the output."""
    if role == "hidden" or not place.circles:
        return
    letter, side, anchor = ("x", -radius - 5, "end") if role == "input" else ("y", radius + 5, "start")
    last = "" if is_symbolic(width) or width > _LARGEST_INDEX else str(width)
    marks = [(place.circles[0], "1"), (place.circles[-1], last)] if width != 1 else [(place.circles[0], " ")]
    for y, index in marks:
        if index:
            canvas.text(x + side, y + 4, f"{letter}{subscript(index)}".strip(), _SMALL, anchor=anchor, colour="soft")


def subscript(digits: str) -> str:
    """Digits below the line."""
    return digits.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _frames(canvas: Canvas, shown: Sequence[Column | Left], xs: Sequence[float], half: float, radius: float) -> None:
    """A frame around the columns of one repetition, and how often it stands there."""
    for first, last, times in _repeats(shown):
        left, right = xs[first] - radius - 12, xs[last] + radius + 12
        canvas.box(left, -half - 4, right - left, 2 * half + 8, fill="none", stroke="other", corner=10,
                   stroke_width="1.5", stroke_dasharray="5 3")  # fmt: skip
        canvas.text(xs[first], -half - 48, times, _LABEL * 1.1, bold=True, colour="other")
        canvas.line((xs[first], -half - 43), (xs[first], -half - 5), colour="other", width=1.0)


def _repeats(shown: Sequence[Column | Left]) -> Iterator[tuple[int, int, str]]:
    i = 0
    while i < len(shown):
        column, first = shown[i], i
        i += 1
        if isinstance(column, Left) or column.times == 1:
            continue
        while i < len(shown) and column.repeat and getattr(shown[i], "repeat", "") == column.repeat:
            i += 1
        yield first, i - 1, times_of(column.times)


def _left_out(canvas: Canvas, x: float, layers: Dim) -> None:
    draw_left_out(canvas, x, 0.0)
    canvas.text(x, 26, _left_text(layers), _LABEL, colour="soft")


def draw_left_out(canvas: Canvas, x: float, y: float) -> None:
    """Three dots for what is not drawn."""
    for dx in (-14, 0, 14):
        canvas.circle(x + dx, y, 3, fill="soft", stroke="soft")


def _left_text(layers: Dim) -> str:
    return f"{amount(layers)} more layers"


def _title(column: Column) -> str:
    if not column.path:
        return counted(column.width, "input")
    return f"{column.path}: {counted(column.width, 'neuron')}, {counted(column.weights, 'weight')}, {counted(column.biases, 'bias', 'biases')}"
