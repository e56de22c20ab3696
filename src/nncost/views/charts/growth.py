"""How amounts grow with a symbol: lines through exact values of their formulas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log10
from typing import Any, cast

from nncost.dims import Dim, is_symbolic, substitute
from nncost.documents.document import Bars, Cell, Chart, Table
from nncost.errors import OptionError, SymbolError
from nncost.ir.graph import PHASES
from nncost.names import shortened
from nncost.report import Report
from nncost.units import bytes_text, compact, exact
from nncost.views.charts.growth_range import range_of, sizes_between
from nncost.views.charts.parts import (
    COUNT,
    WIDTH,
    Spec,
    Unit,
    byte_unit,
    colour,
    described,
    lettered,
    log_ticks,
    number,
    spec,
    titled,
    tooltip,
)

HEIGHT = 330
FLOPS = "flops"
_MOST_LINES = 5
_DECADE = 20
"""From so many times the smallest amount on, an axis is logarithmic."""
_TICKS, _LONG_SIZE = 11, 10**6
_APART = 13
"""Points between two labels."""
_DASHES = [[1, 0], [2, 2], [7, 3], [9, 3, 2, 3], [4, 2]]
_SHAPES = ["circle", "cross", "square", "triangle-up", "diamond"]
Points = list[tuple[int, list[int]]]


def growth_chart(report: Report, quantity: str | Sequence[str] = "flops", over: str | None = None) -> Chart:
    """Return lines of quantities as a symbol grows, ``over`` sizes of it such as ``"h=16..4096"``, else from 1 to 1,024.

    ``quantity`` is a path as in ``report.quantity``, or several; ``"flops"`` stands for those of each phase.
    Raise SymbolError where there is no symbol or more than one, QuantityError for another quantity.
    """
    lines = _lines(report, [quantity] if isinstance(quantity, str) else list(quantity))
    name, grown, first, last = range_of(over, lines)
    points = [(size, [_at(amount, grown, size) for amount in lines.values()]) for size in sizes_between(first, last)]
    names = list(lines)
    is_bytes = all(_is_bytes(each) for each in names)
    what = (
        "bytes"
        if is_bytes
        else "flops"
        if all("flops" in each for each in names)
        else names[0]
        if len(names) == 1
        else "amount"
    )
    return Chart(
        titled(report.source.name, f"{_listed(names, what)} as {name} grows", report.unknown),
        described(_sentences(names, points, name), report.unknown),
        _picture(points, names, name, what, is_bytes=is_bytes),
        _table(points, names, name),
        report.complete,
    )


def _lines(report: Report, quantities: Sequence[str]) -> dict[str, Dim]:
    """The amounts by their names: the flops of each phase that has some, or the quantities that were asked for."""
    if list(quantities) == [FLOPS]:
        return {
            f"{phase} flops": report.totals[phase]["flops"] for phase in PHASES if report.totals[phase]["flops"] != 0
        }
    if len(quantities) > _MOST_LINES:
        raise OptionError(f"a chart has at most {_MOST_LINES} lines, received {len(quantities)}.")
    return {
        each: report.quantity(each if "." in each or each in ("parameters", "params", "neurons") else f"step.{each}")
        for each in quantities
    }


def _is_bytes(name: str) -> bool:
    return name.endswith(("_bytes", ".bytes")) or name.startswith("memory.")


def _listed(names: Sequence[str], what: str) -> str:
    """What a title calls the lines: all flops, or each by its name."""
    return what if what == FLOPS else f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def _at(amount: Dim, grown: Dim, size: int) -> int:
    """The exact amount at a size of the symbol. Raise SymbolError where a formula leaves something open."""
    value = substitute(amount, {grown: size})
    if is_symbolic(value):
        done = cast("Any", value).doit()
        value = int(done) if done.is_Integer else done
    if is_symbolic(value):
        raise SymbolError(
            f"the formula has no number at {grown}={size}: {str(value)[:100]}.", hint="A family of layers has no lines."
        )
    return number(value)


def _picture(points: Points, names: Sequence[str], name: str, what: str, *, is_bytes: bool) -> Spec:
    low, high = (end(amount for _, row in points for amount in row) for end in (min, max))
    is_log = low > 0 and high >= _DECADE * low
    unit = byte_unit(high) if is_bytes and not is_log else COUNT
    values = [
        {"size": size, "line": line, "value": unit.of(amount), "exact": exact(amount), "at": exact(size)}
        for size, row in points
        for line, amount in zip(names, row, strict=True)
    ]
    x = _size_axis([size for size, _ in points], shortened(name, 60))
    y = {
        "type": "quantitative", "scale": {"type": "log", "nice": False} if is_log else {"nice": True},
        "axis": {**unit.axis(what), **(log_ticks(low, high) if is_log else {"tickCount": 6})},
    }  # fmt: skip
    phases = [f"{phase} flops" for phase in PHASES]
    domain = phases if set(names) <= set(phases) else list(names)
    palette = colour("line", domain, names)
    palette["legend"] = palette["legend"] if len(names) > 1 else None  # the title has the name
    several = {"field": "line", "type": "nominal", "legend": palette["legend"]}
    dash = {**several, "legend": None, "scale": {"domain": domain, "range": _DASHES[: len(domain)]}}
    shape = {**several, "scale": {"domain": domain, "range": _SHAPES[: len(domain)]}}
    shared = {"x": x, "y": {**y, "field": "value"}, "color": palette}
    label = {
        "mark": {"type": "text", "align": "left", "dx": 9},
        "data": {"values": _ends(points[-1], low, high, unit, is_log=is_log)},
    }
    return spec(
        WIDTH - 80, height=HEIGHT, is_interactive=True, data={"values": values},
        resolve={"legend": {"color": "independent", "shape": "independent"}},
        layer=[
            {"mark": {"type": "line"}, "encoding": {**shared, "color": {**palette, "legend": None}, "strokeDash": dash}},
            {"mark": {"type": "point", "size": 42, "opacity": 1}, "encoding": {**shared, "shape": shape, "tooltip": tooltip(line="line", at="size", exact="amount")}},
            *lettered({**label, "encoding": {"x": x, "y": {**y, "field": "value"}, "text": {"field": "shown", "type": "nominal"}}}),
        ],
    )  # fmt: skip


def _size_axis(sizes: Sequence[int], name: str) -> Spec:
    """The axis of the symbol; that of sizes which span more than a decade is logarithmic."""
    is_log = sizes[-1] >= _DECADE * sizes[0]
    kind: Spec = {"type": "log", "base": 2} if is_log else {"zero": False}
    ticks = {"values": sizes[::-1][:: -(-len(sizes) // _TICKS)][::-1]} if is_log else {}
    return {
        "field": "size", "type": "quantitative", "scale": {**kind, "domain": [sizes[0], sizes[-1]], "nice": False},
        "axis": {"title": name, "format": ",d" if sizes[-1] < _LONG_SIZE else "~s", "grid": False, "ticks": True, **ticks},
    }  # fmt: skip


def _ends(last: tuple[int, list[int]], low: int, high: int, unit: Unit, *, is_log: bool) -> list[Spec]:
    """The last values of the lines as labels, the largest first, none of them on another one."""
    size, row = last

    def height(amount: int) -> float:
        top, bottom, at = (log10(high), log10(low), log10(amount)) if is_log else (high, 0, amount)
        return (at - bottom) / ((top - bottom) or 1) * HEIGHT

    labels: list[Spec] = []
    places: list[float] = []
    for amount in sorted(row, reverse=True):
        at = height(amount)
        if all(abs(at - other) >= _APART for other in places):
            places.append(at)
            text = compact(amount) if unit is COUNT else bytes_text(amount)
            labels.append({"size": size, "value": unit.of(amount), "shown": text})
    return labels


def _sentences(names: Sequence[str], points: Points, name: str) -> Iterator[str]:
    (first, low), (last, high) = points[0], points[-1]
    for place, line in enumerate(names):
        yield f"{line}: {exact(low[place])} at {name} = {exact(first)}, {exact(high[place])} at {name} = {exact(last)}."
    half = [(size, row) for size, row in points if 2 * size == last]
    if half and all(half[0][1]):
        times = ", ".join(
            f"{line} × {after / before:.2f}" for line, before, after in zip(names, half[0][1], high, strict=True)
        )
        yield f"From {name} = {exact(half[0][0])} to twice that: {times}."


def _table(points: Points, names: Sequence[str], name: str) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple((exact(size), *row) for size, row in points)
    is_sum = all(line.endswith(FLOPS) for line in names)
    sums = [sum(row) if is_sum else row[0] for _, row in points]
    most = max(sums)
    return Table(
        (shortened(name, 60), *names),
        rows,
        "r" * (1 + len(names)),
        bars=Bars(
            "in all" if is_sum and len(names) > 1 else names[0], tuple(each / most if most else 0.0 for each in sums)
        ),
    )
