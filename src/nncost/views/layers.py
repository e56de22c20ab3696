"""The table of a count: a line per layer or operation, equal layers together, with the sums of its columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import cast

from nncost.counting.conventions import CONVENTIONS
from nncost.counting.quantities import ALL
from nncost.dims import Dim, Shape, add_all, is_symbolic, same, shape_text
from nncost.documents.document import Bars, Cell, Table
from nncost.ir.graph import PHASES
from nncost.ir.training.losses import NO_LOSS
from nncost.layer_paths import pattern_of, together
from nncost.records import replace
from nncost.report import Report, ReportRow
from nncost.units import exact
from nncost.views import cut_path

OUTPUT = "output"
_MODULES = ("torch", "huggingface")
"""Kinds of sources whose layers have the names of modules: equal ones are shown together."""


@dataclass(slots=True)
class Line:
    """Everything that a line of the table shows: of one layer, or of ``times`` equal ones together."""

    weights: list[Dim] = field(default_factory=list)
    biases: list[Dim] = field(default_factory=list)
    other: list[Dim] = field(default_factory=list)
    counts: dict[tuple[str, str], list[Dim]] = field(default_factory=dict)
    times: Dim = 1
    op: str = ""
    output: Shape | None = None

    def amount(self, phase: str, quantity: str) -> Dim:
        """The sum of a quantity in a phase."""
        return add_all(self.counts.get((phase, quantity), ()))

    def add(self, row: ReportRow, counts: Mapping[str, Dim]) -> None:
        """Add some counts of a row."""
        for quantity, amount in counts.items():
            self.counts.setdefault((row.phase, quantity), []).append(amount)

    def add_parameters(self, row: ReportRow) -> None:
        """Add the parameters of a row's layer."""
        self.weights.append(row.weights)
        self.biases.append(row.biases)
        self.other.append(row.other)

    def content(self) -> tuple[object, ...]:
        """What equal layers have in common."""
        amounts = tuple((place, add_all(parts)) for place, parts in sorted(self.counts.items()))
        parameters = (add_all(self.weights), add_all(self.biases), add_all(self.other))
        return parameters, amounts, self.times, self.op, self.output

    def repeated(self, times: int) -> Line:
        """So many layers like this one together."""
        return Line(
            [add_all(self.weights) * times],
            [add_all(self.biases) * times],
            [add_all(self.other) * times],
            {place: [add_all(parts) * times] for place, parts in self.counts.items()},
            self.times * times,
            self.op,
            self.output,
        )


Column = tuple[str, str, Callable[[Line], Dim]]
"""A group, a title, and what a line has there."""


def _count_column(group: str, phase: str, quantity: str, title: str) -> Column:
    return group, title, lambda line: line.amount(phase, quantity)


LAYER_COLUMNS: Sequence[Column] = (
    ("parameters", "weights", lambda line: add_all(line.weights)),
    ("parameters", "biases", lambda line: add_all(line.biases)),
    ("parameters", "other", lambda line: add_all(line.other)),
    _count_column("forward", "forward", "mul", "mul"),
    _count_column("forward", "forward", "add", "add"),
    _count_column("forward", "forward", "activations", "activ."),
    _count_column("loss", "loss", "mul", "mul"),
    _count_column("loss", "loss", "add", "add"),
    _count_column("backward", "backward", "mul", "mul"),
    _count_column("backward", "backward", "add", "add"),
    _count_column("update", "update", "mul", "mul"),
    _count_column("update", "update", "add", "add"),
)
_FURTHER_QUANTITIES = tuple(quantity for quantity in ALL if not quantity.endswith("_bytes"))
"""Those that get a column if a layer has no amount in the usual ones."""


def row_table(report: Report, by: str, depth: int | None, *, expand: bool, shapes: bool | None) -> Table:
    """Return the table by layer or operation.

    Equal layers of a module stand together unless ``expand`` opens them. ``shapes`` adds the shapes of what layers
    return: True always, False never, None where there is room.
    """
    lines = _shown_lines(report, by, depth, expand)
    used = used_columns(list(lines.values()), with_loss=by == "op")
    shown = {key: line for key, line in lines.items() if any(column[2](line) != 0 for column in used)}
    rows = [(_line_name(key, line), [column[2](line) for column in used]) for key, line in shown.items()]
    table = summed(("", *(column[1] for column in used)), rows, groups=("", *(column[0] for column in used)))
    table = replace(table, bars=_bars(report, list(shown.values())))
    if by != "layer" or shapes is False or all(line.output is None for line in shown.values()):
        return table
    outputs = ["" if line.output is None else shape_text(line.output) for line in shown.values()]
    return _with_column(table, OUTPUT, outputs, is_spare=shapes is None)


def _bars(report: Report, lines: Sequence[Line]) -> Bars | None:
    """The shares of the lines in the flops of a step; None where they have no numbers or are not those of layers."""
    total = report.step.flops
    weights = {} if is_symbolic(total) else layer_flops(report)
    if not weights or total == 0:
        return None
    flops = (
        add_all(weight * line.amount(phase, name) for phase in PHASES for name, weight in weights.items())
        for line in lines
    )
    title = "step flops" if report.settings["loss"] != NO_LOSS else "flops"
    return Bars(title, tuple(float(Fraction(cast("int", each), cast("int", total))) for each in flops))


def layer_flops(report: Report) -> Mapping[str, int]:
    """Return what a flop of a layer is made of; empty for a convention with a number for the whole network only."""
    weights = dict[str, int](CONVENTIONS[report.settings["convention"]].weights.items())
    if is_symbolic(report.step.flops):
        return weights
    total = add_all(weight * row.counts[name] for row in report.rows for name, weight in weights.items())
    return weights if same(total, report.step.flops) else {}


def summed(header: tuple[str, ...], rows: Sequence[tuple[str, Sequence[Dim]]], groups: tuple[str, ...] = ()) -> Table:
    """Return a table of names with amounts, and the totals of its columns."""
    total = (add_all(amounts[i] for _, amounts in rows) for i in range(len(header) - 1))
    lines = tuple((name, *amounts) for name, amounts in rows)
    return Table(header, lines, groups=groups, total=("total", *total))


def _with_column(table: Table, title: str, cells: Sequence[str], *, is_spare: bool) -> Table:
    """The table with a column of text behind the names."""

    def second(row: tuple[Cell, ...], cell: str) -> tuple[Cell, ...]:
        return row[0], cell, *row[1:]

    assert table.total is not None
    return Table(
        (table.header[0], title, *table.header[1:]),
        tuple(map(second, table.rows, cells)),
        "ll" + table.alignment[1:],
        (table.groups[0], "", *table.groups[1:]),
        second(table.total, ""),
        (title,) if is_spare else (),
        table.bars,
    )


# ------------------------------------------------------------------- lines
def layer_lines(report: Report) -> dict[str, Line]:
    """Return a line per layer by its path, or by its operation where it has none."""
    lines = _lines(report, "layer", None, expand=False)
    for row in report.rows:
        line = lines[row.path or row.op]
        if row.phase in ("forward", "loss"):
            line.op = line.op or row.op
    return lines


def named_lines(report: Report) -> list[tuple[str, Line]]:
    """Return the layers as the table names them, equal ones of a module together, each with what it holds."""
    return [(_line_name(key, line), line) for key, line in _shown_lines(report, "layer", None, False).items()]


def _shown_lines(report: Report, by: str, depth: int | None, expand: bool) -> dict[str, Line]:
    lines = _lines(report, by, depth, expand)
    is_joined = by == "layer" and not expand and report.source.kind in _MODULES
    return dict(_grouped(lines)) if is_joined else lines


def _lines(report: Report, by: str, depth: int | None, expand: bool) -> dict[str, Line]:
    """The lines by their names: layers cut to ``depth`` or operations, with the operations inside if they are expanded."""
    lines: dict[str, Line] = {}
    outputs = _outputs(report, depth)
    for row in report.rows:
        key = row.op if by == "op" else cut_path(row.path, depth) or row.op
        for inner, counts in (row.inside or {row.op: row.counts}).items() if expand else [("", row.counts)]:
            line = lines.setdefault(f"{key} {inner}".rstrip(), Line())
            if by == "layer" and depth is None:
                line.times = row.times
                line.op = line.op or (row.op if report.source.kind != "spec" and not expand else "")
            line.add(row, counts)
        owner = lines.setdefault(f"{key} {row.op}" if expand else key, Line())
        owner.add_parameters(row)
        if row.phase == "forward":
            owner.output = row.output if expand else outputs.get(cut_path(row.path, depth), row.output)
    return _in_place(lines)


def _in_place(lines: dict[str, Line]) -> dict[str, Line]:
    """The lines with modules that work in the backward pass only, as they add gradients, behind what is inside of them."""
    late = {key for key, line in lines.items() if line.counts and all(phase == "backward" for phase, _ in line.counts)}
    last: dict[str, str] = {}
    for key in (key for key in lines if late and key not in late):
        module = key.rpartition(".")[0]
        while module:
            if module in late:
                last[module] = key
            module = module.rpartition(".")[0]
    if not last:
        return lines
    behind: dict[str, list[str]] = {}
    for module, key in last.items():
        behind.setdefault(key, []).append(module)
    order = [name for key in lines if key not in last for name in (key, *behind.get(key, ()))]
    return {name: lines[name] for name in order}


def _outputs(report: Report, depth: int | None) -> dict[str, Shape]:
    """What layers cut to ``depth`` return: a layer's own shape, or that of the layer inside which ends last."""
    last = {cut_path(path, depth): shape for path, shape in report.outputs.items()}
    return last | {path: shape for path, shape in report.outputs.items() if path in last}


def _grouped(lines: Mapping[str, Line]) -> Iterator[tuple[str, Line]]:
    """The lines with equal layers whose paths differ in numbers only as one, at the place of the first of them."""
    alike: dict[object, list[str]] = {}
    for path, line in lines.items():
        alike.setdefault((pattern_of(path), line.content()), []).append(path)
    first = {members[0]: (name, members) for paths in alike.values() for name, members in together(paths)}
    for path, line in lines.items():
        if path in first:
            name, members = first[path]
            yield name, line if len(members) == 1 else line.repeated(len(members))


def _line_name(key: str, line: Line) -> str:
    """A layer's name with its repetitions, and its operation if a file's own name does not contain it."""
    name = f"{key} {line.op}" if line.op and line.op not in key else key
    return name if line.times == 1 else f"{name} ×{exact(line.times)}"


def used_columns(lines: Sequence[Line], *, with_loss: bool = False) -> Sequence[Column]:
    """Return the columns in which some line has an amount; if a line has none in the usual ones, also further quantities."""
    wanted = [column for column in LAYER_COLUMNS if column[0] != "loss" or with_loss]
    hidden = [line for line in lines if not any(column[2](line) != 0 for column in wanted)]
    at = next(i for i, column in enumerate(wanted) if column[1] == "activ.")
    wanted[at:at] = [
        _count_column("forward", "forward", quantity, quantity)
        for quantity in _FURTHER_QUANTITIES
        if any(line.amount("forward", quantity) != 0 for line in hidden)
    ]
    return [column for column in wanted if any(column[2](line) != 0 for line in lines)] or wanted[:2]
