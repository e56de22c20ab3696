"""The tree of modules as an icicle: each module as high as its share, beside it what is inside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nncost.documents.document import Bars, Cell, Chart, Table
from nncost.layer_paths import together
from nncost.names import cut
from nncost.report import Report
from nncost.units import bytes_text, compact, counted, exact
from nncost.views import without_folders
from nncost.views.charts.parts import (
    WIDTH,
    Spec,
    check_numbers,
    described,
    nothing_to_draw,
    number,
    share_text,
    spec,
    titled,
    tooltip,
)
from nncost.views.charts.quantities import PARAMETERS, measure_of
from nncost.views.layers import Line

HEIGHT = 460
DEPTH = 4
"""Levels below the whole network, unless another number is asked for."""
_SMALLEST = 0.012
"""The share of the whole from which on a module stands by itself."""
_DEEPEST = 40
"""Names of a path that are modules of their own."""
_LINE, _LETTER = 15, 6.2
"""The height of a label and the width of a letter, in points."""
OTHER = "other"
_MOST_BRANCHES = 4
"""Branches that are told apart by colour; more of them are all alike."""


@dataclass(slots=True)
class Module:
    """A module with what it has itself and what is inside."""

    name: str
    own: int = 0
    inside: dict[str, Module] = field(default_factory=dict)
    total: int = 0

    def summed(self) -> int:
        """Work out the totals of the module and of all inside."""
        self.total = self.own + sum(module.summed() for module in self.inside.values())
        return self.total

    def content(self) -> object:
        """What equal modules have in common."""
        return self.own, tuple((name, module.content()) for name, module in self.inside.items())


@dataclass(slots=True)
class Box:
    """A module's place: its level and, in shares of the whole, where it begins and ends."""

    path: str
    name: str
    level: int
    start: float
    end: float
    total: int
    is_rest: bool = False


def tree_chart(report: Report, quantity: str = PARAMETERS, depth: int = DEPTH) -> Chart:
    """Return the tree of modules to ``depth`` levels, each module as high as its share of a quantity.

    Equal modules side by side are one, and small ones are joined. Raise QuantityError for a quantity that layers have
    not, OptionError where nothing has any, and SymbolError where sizes have no numbers.
    """
    measure = measure_of(report, quantity)
    root = Module(cut(without_folders(report.source.name), 30))
    for path, line in _lines(report):
        amounts = [measure.of(line, phase) for phase in measure.phases or ("",)]
        check_numbers(amounts)
        module = root
        for name in names_of(path):
            module = module.inside.setdefault(name, Module(name))
        module.own += sum(map(number, amounts))
    if not root.summed():
        raise nothing_to_draw(measure.title, report.unknown, "Others: --quantity flops, macs, bytes …")
    boxes = list(_boxes(root, "", 0, 0.0, root.total, depth))
    text = bytes_text if measure.is_bytes else exact
    return Chart(
        titled(report.source.name, f"{measure.title} by module", report.unknown),
        described(_sentences(root, boxes, measure.title, text(root.total)), report.unknown),
        _picture(boxes, root.total, measure.title, is_bytes=measure.is_bytes),
        _table(boxes, root.total, measure.title),
        report.complete,
    )


def names_of(path: str) -> list[str]:
    """Return the names in a path from the whole inwards, a number belonging to the name before it."""
    names: list[str] = []
    for part in path.split("."):
        if part.isdigit() and names:
            names[-1] += f".{part}"
        else:
            names.append(part)
    return names if len(names) <= _DEEPEST else [*names[:_DEEPEST], ".".join(names[_DEEPEST:])]


def _lines(report: Report) -> Iterator[tuple[str, Line]]:
    lines: dict[str, Line] = {}
    for row in report.rows:
        line = lines.setdefault(row.path or row.op, Line())
        line.add(row, row.counts)
        line.add_parameters(row)
    yield from lines.items()


def _boxes(module: Module, path: str, level: int, start: float, whole: int, depth: int) -> Iterator[Box]:
    """Yield the place of a module and of what is inside, small ones together."""
    yield Box(path, module.name, level, start, start + module.total / whole, module.total)
    if level == depth or not module.inside:
        return
    small: list[Module] = []
    for name, child, times in _siblings(module):
        if child.total * times < _SMALLEST * whole:
            small += [child] * times if child.total else []
            continue
        joined = child if times == 1 else _times(child, name, times)
        yield from _boxes(joined, f"{path}.{name}".lstrip("."), level + 1, start, whole, depth)
        start += joined.total / whole
    rest = sum(child.total for child in small) + module.own
    if rest and level + 1 <= depth:
        name = counted(len(small), OTHER, f"{OTHER}s") if small else "itself"
        yield Box(f"{path}.{name}".lstrip("."), name, level + 1, start, start + rest / whole, rest, is_rest=True)


def _siblings(module: Module) -> Iterator[tuple[str, Module, int]]:
    """Yield the modules inside with their names; equal ones whose names differ in numbers only as one."""
    alike: dict[object, list[str]] = {}
    for name, child in module.inside.items():
        alike.setdefault(child.content(), []).append(name)
    first = {members[0]: (name, members) for names in alike.values() for name, members in together(names)}
    for name, child in module.inside.items():
        if name in first:
            shown, members = first[name]
            yield shown, child, len(members)


def _times(module: Module, name: str, times: int) -> Module:
    """So many equal modules as one."""
    inside = {key: _times(child, child.name, times) for key, child in module.inside.items()}
    return Module(name, module.own * times, inside, module.total * times)


def _picture(boxes: Sequence[Box], whole: int, what: str, *, is_bytes: bool) -> Spec:
    boxes = boxes[1:]  # the whole is the title's
    levels = max(box.level for box in boxes)
    room = WIDTH / levels
    values = []
    branch = -1
    has_colours = sum(box.level == 1 and not box.is_rest for box in boxes) <= _MOST_BRANCHES
    for box in boxes:
        branch += box.level == 1 and has_colours and not box.is_rest
        height = (box.end - box.start) * HEIGHT
        amount = bytes_text(box.total) if is_bytes else compact(box.total)
        label = f"{box.name}  {amount}"
        letters = int((room - 12) / _LETTER)
        label = label if len(label) <= letters else cut(box.name, letters)
        values.append({
            "path": box.path or box.name, "level": box.level - 1, "next": box.level, "start": box.start, "end": box.end,
            "branch": "4" if box.is_rest else str(max(branch, 0)), "amount": exact(box.total), "share": share_text(box.total, whole),
            "shown": label if height >= _LINE else "", "strength": max(0.14, 0.5 - 0.1 * box.level),
        })  # fmt: skip
    x = {"field": "level", "type": "quantitative", "axis": None, "scale": {"domain": [0, levels], "nice": False}}
    y = {"field": "start", "type": "quantitative", "axis": None, "scale": {"domain": [1, 0], "nice": False}}
    rectangle = {
        "mark": {"type": "rect", "style": "module"},
        "encoding": {
            "x": x, "x2": {"field": "next"}, "y": y, "y2": {"field": "end"},
            "color": {"field": "branch", "type": "nominal", "legend": None, "scale": {"domain": ["0", "3", "2", "1", "4"]}},
            "fillOpacity": {"field": "strength", "type": "quantitative", "scale": None},
            "tooltip": tooltip(path="module", amount=what, share="share"),
        },
    }  # fmt: skip
    middle = {"calculate": "(datum.start + datum.end) / 2", "as": "middle"}
    text = {
        "transform": [middle],
        "mark": {"type": "text", "align": "left", "baseline": "middle", "dx": 7},
        "encoding": {"x": x, "y": {**y, "field": "middle"}, "text": {"field": "shown", "type": "nominal"}},
    }
    return spec(WIDTH, height=HEIGHT, is_interactive=len(boxes) > 30, data={"values": values}, layer=[rectangle, text])


def _sentences(root: Module, boxes: Sequence[Box], what: str, total: str) -> Iterator[str]:
    yield f"{total} {what if not total.endswith('B') else ''}".rstrip() + f" in {root.name}, by module."
    top = sorted((box for box in boxes if box.level == 1 and not box.is_rest), key=lambda box: -box.total)[:3]
    if top:
        yield f"The largest: {', '.join(f'{box.name} {share_text(box.total, root.total)}' for box in top)}."
    yield "Equal modules side by side are drawn as one; modules under 1.2 % are joined."


def _table(boxes: Sequence[Box], whole: int, what: str) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        ("\u00a0\u00a0" * box.level + box.name, box.total, share_text(box.total, whole)) for box in boxes
    )
    return Table(("module", what, "share"), rows, bars=Bars(what, tuple(box.total / whole for box in boxes)))
