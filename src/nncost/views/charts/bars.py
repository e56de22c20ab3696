"""Bars by name, each in parts of several colours: the shape that cost by layer and time by cause share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nncost.documents.document import Bars, Cell, Table
from nncost.names import short_names
from nncost.records import record
from nncost.views.charts.parts import LABEL, WIDTH, Spec, Unit, exact_value, lettered, names_axis, spec, tooltip

Texts = tuple[Callable[[float], str], Callable[[float], str]]
"""How amounts are written: whole where one points at them, and short behind a bar."""
_LONGEST = 1.5
"""So many times as long as the longest other bar, that of all others is still drawn."""
_NOT_DRAWN = (" together, not drawn", "")
_STEP = 22
"""Height of a bar and the space below it."""


@record
class Bar:
    """A name and the parts of its bar, in the order in which they stand: amounts in the base unit.

    That of several ``others`` together may be so long that beside it no other could be seen.
    """

    name: str
    parts: Mapping[str, float]
    others: int = 0

    @property
    def total(self) -> float:
        """The length of the bar."""
        return sum(self.parts.values())


def most(bars: Sequence[Bar], top: int, *, in_order: bool = True) -> tuple[list[Bar], int]:
    """Return the bars that are shown and how many others the last one joins; few are ``in_order`` of the network.

    Those without any amount are left out.
    """
    shown = [bar for bar in bars if bar.total]
    ranked = sorted(shown, key=lambda bar: -bar.total)
    if len(shown) <= top:
        return (shown if in_order else ranked), 0
    rest = ranked[max(1, top - 1) :]
    joined: dict[str, float] = {}
    for bar in rest:
        for part, amount in bar.parts.items():
            joined[part] = joined.get(part, 0) + amount
    return [*ranked[: max(1, top - 1)], Bar(f"{len(rest):,} others", joined, len(rest))], len(rest)


def are_drawn(totals: Sequence[float], are_others: Sequence[bool]) -> list[bool]:
    """Return which bars are drawn: those of others together only where the rest can be seen beside them."""
    pairs = list(zip(totals, are_others, strict=True))
    longest = max((total for total, is_others in pairs if not is_others), default=0)
    return [not is_others or total <= _LONGEST * longest for total, is_others in pairs]


def stacked(
    bars: Sequence[Bar],
    names: Sequence[str],
    unit: Unit,
    what: str,
    texts: Texts,
    palette: Spec | None,
    head: str = "layer",
) -> Spec:
    """Return horizontal bars with their totals; ``names`` are the parts, ``palette`` the encoding of their colours."""
    text, short = texts
    labels, values = short_names([bar.name for bar in bars], LABEL), []
    drawn = are_drawn([bar.total for bar in bars], [bool(bar.others) for bar in bars])
    for place, (bar, label, is_drawn) in enumerate(zip(bars, labels, drawn, strict=True)):
        start, parts = 0.0, [name for name in names if bar.parts.get(name)]
        for name in parts:
            amount = bar.parts[name]
            values.append({
                "label": label, "name": bar.name, "place": place, "part": name, "value": exact_value(amount), "amount": text(amount),
                "start": unit.of(start) * is_drawn, "end": unit.of(start + amount) * is_drawn, "total": unit.of(bar.total) * is_drawn,
                "sum": text(bar.total), "shown": (short(bar.total) + _NOT_DRAWN[is_drawn]) if name == parts[-1] else "",
            })  # fmt: skip
            start += amount
    y = names_axis("label", "place")
    hover = tooltip(name=head, **({} if palette is None else {"part": "part", "amount": what}), sum="in all")
    bar_layer = {
        "mark": {"type": "bar", "style": "split", "height": {"band": 0.72}},
        "encoding": {
            "y": y, "x": {"field": "start", "type": "quantitative", "axis": {**unit.axis(what), "tickMinStep": 0}},
            "x2": {"field": "end"}, "tooltip": hover, **({} if palette is None else {"color": palette}),
        },
    }  # fmt: skip
    text_layer = {
        "mark": {"type": "text", "align": "left", "baseline": "middle", "dx": 5, "style": "soft"},
        "encoding": {"y": y, "x": {"field": "total", "type": "quantitative"}, "text": {"field": "shown", "type": "nominal"}},
    }  # fmt: skip
    return spec(
        WIDTH,
        height={"step": _STEP},
        is_interactive=len(bars) > _STEP,
        data={"values": values},
        layer=[bar_layer, *lettered(text_layer)],
    )


def numbers(head: str, bars: Sequence[Bar], names: Sequence[str], cell: Callable[[float], Cell], what: str) -> Table:
    """Return the numbers of bars: their parts, their sums, and below them the sums of all."""
    used = [name for name in names if any(bar.parts.get(name) for bar in bars)] or list(names[:1])
    several = len(used) > 1
    rows = tuple((bar.name, *_row(bar, used, cell, several=several)) for bar in bars)
    whole = Bar("total", {name: sum(bar.parts.get(name, 0) for bar in bars) for name in used})
    drawn = are_drawn([bar.total for bar in bars], [bool(bar.others) for bar in bars])
    shares = tuple(
        (bar.total / whole.total if whole.total else 0.0) if is_drawn else None
        for bar, is_drawn in zip(bars, drawn, strict=True)
    )
    return Table(
        (head, *(used if several else [what]), *(["total"] if several else [])), rows,
        total=("total", *_row(whole, used, cell, several=several)), bars=Bars(what, shares),
    )  # fmt: skip


def _row(bar: Bar, names: Sequence[str], cell: Callable[[float], Cell], *, several: bool) -> list[Cell]:
    return [*(cell(bar.parts.get(name, 0)) for name in names), *([cell(bar.total)] if several else [])]
