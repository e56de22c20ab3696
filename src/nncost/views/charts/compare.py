"""Several networks side by side: a panel for each amount, with a scale of its own and exact numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from nncost.dims import Dim
from nncost.documents.document import NONE, Bars, Cell, Chart, Table
from nncost.errors import OptionError
from nncost.ir.training.losses import NO_LOSS
from nncost.names import cut, short_names
from nncost.records import record
from nncost.report import Report
from nncost.units import bytes_text, exact
from nncost.views import without_folders
from nncost.views.charts.parts import (
    COUNT,
    Spec,
    Unit,
    byte_unit,
    check_numbers,
    described,
    number,
    titled,
    tooltip,
)

MOST = 12
"""Networks beside each other."""
_STEP, _ROOM = 21, 400
_MANY_BYTES = 1_000


@record
class Panel:
    """One amount of every network; None where it is not known."""

    title: str
    group: str
    head: str
    amounts: tuple[int | None, ...]
    is_bytes: bool = False

    @property
    def unit(self) -> Unit:
        """What its axis counts in."""
        most = max((amount for amount in self.amounts if amount is not None), default=0)
        return byte_unit(most) if self.is_bytes else COUNT

    def text(self, amount: int) -> str:
        """An amount as it stands behind its bar."""
        return (
            f"{exact(amount)} bytes ({bytes_text(amount)})"
            if self.is_bytes and amount >= _MANY_BYTES
            else exact(amount)
        )


def compare_chart(reports: Sequence[Report]) -> Chart:
    """Return parameters, flops of each phase and memory of several networks, each amount in a panel of its own.

    Raise OptionError for none or too many, and SymbolError where sizes have no numbers.
    """
    if not 0 < len(reports) <= MOST:
        raise OptionError(f"1 to {MOST} networks stand side by side, received {len(reports)}.")
    names = _different([without_folders(report.source.name) for report in reports])
    panels = [panel for panel in _panels(reports) if any(panel.amounts)]
    unknown = [each for report in reports for each in report.unknown]
    title = " and ".join(names) if len(names) == 2 else f"{len(names)} networks"
    return Chart(
        titled(title, "side by side", unknown) if len(names) > 1 else titled(names[0], "its cost", unknown),
        described(_sentences(names, panels), unknown),
        _picture(names, panels),
        _table(names, panels),
        not unknown,
    )


def _different(names: Sequence[str]) -> list[str]:
    """The names, those that stand there twice with a number."""
    shown: list[str] = []
    for name in names:
        before = sum(each == name for each in names[: len(shown)])
        shown.append(f"{name} ({before + 1})" if before else name)
    return shown


def _panels(reports: Sequence[Report]) -> Iterator[Panel]:
    wanted: list[tuple[str, str, str, Callable[[Report], Dim | None]]] = [
        ("parameters", "", "parameters", lambda report: report.parameters.total),
        ("forward flops", "flops", "forward", lambda report: report.forward.flops),
        ("backward flops", "flops", "backward", lambda report: report.backward.flops),
        ("update flops", "flops", "update", lambda report: report.update.flops),
        ("memory at the peak", "memory", "peak bytes", _peak),
    ]
    for title, group, head, amount in wanted:
        amounts = [amount(report) for report in reports]
        check_numbers(amounts)
        yield Panel(
            title, group, head, tuple(None if each is None else number(each) for each in amounts), amount is _peak
        )


def _peak(report: Report) -> Dim | None:
    return report.memory.forward_peak if report.settings["loss"] == NO_LOSS else report.memory.step_peak


def _picture(names: Sequence[str], panels: Sequence[Panel]) -> Spec:
    labels = short_names(names, 30)
    return {
        "vconcat": [_panel(labels, names, panel, is_first=number == 0) for number, panel in enumerate(panels)],
        "spacing": 14, "config": {},
    }  # fmt: skip


def _panel(labels: Sequence[str], names: Sequence[str], panel: Panel, *, is_first: bool) -> Spec:
    unit, known = panel.unit, [0 if amount is None else amount for amount in panel.amounts]
    values = [
        {
            "label": label, "name": name, "place": place, "value": unit.of(amount),
            "text": "not known" if panel.amounts[place] is None else panel.text(amount), "color": str(place % 5),
        }
        for place, (label, name, amount) in enumerate(zip(labels, names, known, strict=True))
    ]  # fmt: skip
    y: Spec = {"field": "label", "type": "nominal", "sort": {"field": "place", "op": "min"},
         "title": None, "axis": {"ticks": False, "domain": False, "minExtent": 60}}  # fmt: skip
    x: Spec = {
        "field": "value",
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": [0, max(map(unit.of, known)) or 1], "nice": False},
    }
    color = {"field": "color", "type": "nominal", "legend": None, "scale": {"domain": ["0", "3", "1", "2", "4"]}}
    bar = {
        "mark": {"type": "bar", "height": {"band": 0.7}},
        "encoding": {"y": y, "x": x, "color": color, "tooltip": tooltip(name="network", text=panel.title)},
    }
    text = {
        "mark": {"type": "text", "align": "left", "baseline": "middle", "dx": 6},
        "encoding": {"y": y, "x": x, "text": {"field": "text", "type": "nominal"}},
    }
    title = {"text": panel.title, "fontSize": 12.5, "frame": "group", "offset": 6, "anchor": "start"}
    return {"width": _ROOM, "height": {"step": _STEP}, "title": title, "data": {"values": values}, "layer": [bar, text]}


def _sentences(names: Sequence[str], panels: Sequence[Panel]) -> Iterator[str]:
    for panel in panels:
        told = (
            f"{cut(name, 40)} {'not known' if amount is None else panel.text(amount)}"
            for name, amount in zip(names, panel.amounts, strict=True)
        )
        yield f"{panel.title.capitalize()}: {', '.join(told)}."


def _table(names: Sequence[str], panels: Sequence[Panel]) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (name, *(NONE if panel.amounts[place] is None else panel.amounts[place] or 0 for panel in panels))
        for place, name in enumerate(names)
    )
    first = panels[0].amounts if panels else ()
    most = max((amount or 0 for amount in first), default=0)
    bars = Bars(panels[0].title, tuple((amount or 0) / most if most else 0.0 for amount in first)) if panels else None
    return Table(
        ("network", *(panel.head for panel in panels)), rows, groups=("", *(panel.group for panel in panels)), bars=bars
    )
