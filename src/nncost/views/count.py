"""A count as a document: facts, a table by layer, operation, phase or memory, the totals, memory and notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from nncost.counting.conventions import CONVENTIONS
from nncost.counting.quantities import ALL
from nncost.dims import Dim, add_all, shape_text
from nncost.documents.document import Block, Document, Facts, Heading, Note, Section, Table
from nncost.ir.graph import PHASES
from nncost.pipeline.choices import TRAIN, check_choice
from nncost.report import ParameterCounts, Report, Totals, plain
from nncost.units import exact
from nncost.views import cut_path, shortened
from nncost.views.memory import memory_facts, timeline_blocks

_SHORT = 60
"""Characters of a source that a command repeats."""
BY = ("layer", "op", "phase", "memory")


@dataclass(slots=True)
class _Line:
    """Everything one row of the layer table shows."""

    weights: list[Dim] = field(default_factory=list)
    biases: list[Dim] = field(default_factory=list)
    other: list[Dim] = field(default_factory=list)
    counts: dict[tuple[str, str], list[Dim]] = field(default_factory=dict)
    times: Dim = 1
    op: str = ""

    def amount(self, phase: str, quantity: str) -> Dim:
        return add_all(self.counts.get((phase, quantity), ()))


_Column = tuple[str, str, Callable[[_Line], Dim]]


def _count_column(group: str, phase: str, quantity: str, title: str) -> _Column:
    return group, title, lambda line: line.amount(phase, quantity)


LAYER_COLUMNS: Sequence[_Column] = (
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


def count_document(report: Report, *, by: str = "layer", depth: int | None = None, expand: bool = False) -> Document:
    """Return the counts, with rows ``by`` layer, op, phase or memory (its timeline) and paths cut to ``depth`` names.

    ``expand`` shows the operations inside each layer. Raise OptionError for another ``by``.
    """
    check_choice("grouping", by, BY)
    blocks: list[Block] = [Facts(tuple(_facts(report)))]
    if by == "memory":
        blocks += timeline_blocks(report, depth)
    else:
        if by != "phase":
            blocks += [Heading(by.capitalize()), _row_table(report, by, depth, expand)]
        blocks += [Heading("One step"), _totals_table(report.totals), *_run(report)]
    blocks += [Heading("Memory of one step"), Facts(tuple(memory_facts(report)))]
    blocks += [*_warnings(report), *map(Note, _closing(report))]
    shapes = ", ".join(f"{name} {shape_text(shape)}" for name, shape in report.source.inputs.items())
    return Document(f"{shortened(report.source.name)}   ({shapes})", (Section("", tuple(blocks)),))


def _run(report: Report) -> list[Block]:
    run = report.run
    if run is None:
        return []
    assumed = [Note(f"Assumes that {run.assumes}.")] if run.assumes else []
    steps = f"{exact(run.steps)} step{'' if run.steps == 1 else 's'}"
    return [Heading(f"The whole run: {steps}"), _totals_table(run.totals, whole="run"), *assumed]


def parameters_fact(p: ParameterCounts) -> tuple[str, str]:
    """Return the number of parameters as a sum of weights, biases and others."""
    parts = [f"{exact(p.weights)} weights", f"{exact(p.biases)} biases"]
    parts += [f"{exact(p.other)} other"] if p.other != 0 else []
    return "parameters", f"{exact(p.total)}  =  {' + '.join(parts)}   ({exact(p.bytes)} bytes)"


def _facts(report: Report) -> list[tuple[str, str]]:
    p, settings = report.parameters, report.settings
    facts = [parameters_fact(p)]
    if p.active != p.total:
        text = f"{exact(p.active)} (used for one token; the others belong to experts it is not sent to)"
        facts.append(("active", text))
    if p.trainable != p.total:
        facts.append(("trainable", exact(p.trainable)))
    if p.buffers != 0:
        facts.append(("buffers", f"{exact(p.buffers)} (statistics, not parameters)"))
    facts.append(("neurons", exact(report.neurons)))
    setting = f"batch {plain(settings['batch'])}, {settings['dtype']}, {settings['mode']}"
    if settings["loss"] != "none":
        setting += f", loss {settings['loss']}, optimizer {settings['optimizer']}"
    if settings["accumulate"] != 1:
        setting += f", {settings['accumulate']} micro-batches a step"
    facts.append(("settings", setting))
    return facts


def _warnings(report: Report) -> list[Note]:
    texts = []
    if not report.complete:
        names = ", ".join(dict.fromkeys(f"{item['op']} ({item['path']})" for item in report.unknown))
        many = len(report.unknown) > 1
        texts.append(
            f"INCOMPLETE: {len(report.unknown)} unknown operation{'s are' if many else ' is'} not in the totals: {names}"
        )
        from nncost.frontends.lowering import rule_name

        own = [name for item in report.unknown if (name := rule_name(report.source.kind, item["op"]))][:1]
        texts += [
            f'Say what it computes with @nncost.lowers("{name}"): nncost docs own-operators shows how.' for name in own
        ]
    if report.estimated:
        texts.append(f"Estimated, not exact: {', '.join(report.estimated)}")
    return [Note(text, is_warning=True) for text in texts]


def _closing(report: Report) -> list[str]:
    convention = CONVENTIONS[report.settings["convention"]]
    lines = [f"Note: {note}" for note in report.notes]
    free = ", ".join(sorted(report.free)) or "none"
    lines.append(f"Free by rule here: {free}.")
    lines.append(f"Convention {convention.name}: {convention.summary}.")
    if report.source.kind == "spec":
        lines.append(f"Next: {_explain_command(report)} shows how every number is computed.")
    elif report.settings["loss"] == "none":
        lines.append("Next: add --loss cross_entropy --optimizer adam   for backward and update.")
    return lines


def _explain_command(report: Report) -> str:
    """What to type for a short source counted as it is by default; in words for others."""
    name, settings = report.source.name, report.settings
    usual = {"batch": 1, "optimizer": "sgd", "mode": TRAIN, "accumulate": 1, "taps": "dense"}
    if len(name) <= _SHORT and all(settings[key] == value for key, value in usual.items()):
        return f'nncost explain "{name}"  '
    return "nncost explain, with this source and these options,"


# ------------------------------------------------------------------- tables
def _row_table(report: Report, by: str, depth: int | None, expand: bool) -> Table:
    lines: dict[str, _Line] = {}
    for row in report.rows:
        key = row.op if by == "op" else cut_path(row.path, depth) or row.op
        for inner, counts in (row.inside or {row.op: row.counts}).items() if expand else [("", row.counts)]:
            line = lines.setdefault(f"{key} {inner}".rstrip(), _Line())
            if by == "layer" and depth is None:
                line.times = row.times
                line.op = line.op or (row.op if report.source.kind != "spec" and not expand else "")
            for quantity, amount in counts.items():
                line.counts.setdefault((row.phase, quantity), []).append(amount)
        owner = lines.setdefault(f"{key} {row.op}" if expand else key, _Line())
        owner.weights.append(row.weights)
        owner.biases.append(row.biases)
        owner.other.append(row.other)
    wanted = [column for column in LAYER_COLUMNS if column[0] != "loss" or by == "op"]
    hidden = [line for line in lines.values() if not any(column[2](line) != 0 for column in wanted)]
    at = next(i for i, column in enumerate(wanted) if column[1] == "activ.")
    wanted[at:at] = [
        _count_column("forward", "forward", quantity, quantity)
        for quantity in _FURTHER_QUANTITIES
        if any(line.amount("forward", quantity) != 0 for line in hidden)
    ]
    used = [column for column in wanted if any(column[2](line) != 0 for line in lines.values())] or wanted[:2]
    rows = [
        (_line_name(key, line), [column[2](line) for column in used])
        for key, line in lines.items()
        if any(column[2](line) != 0 for column in used)
    ]
    return summed(("", *(column[1] for column in used)), rows, groups=("", *(column[0] for column in used)))


def summed(header: tuple[str, ...], rows: Sequence[tuple[str, Sequence[Dim]]], groups: tuple[str, ...] = ()) -> Table:
    """Return a table of names with amounts, and the totals of its columns."""
    total = (add_all(amounts[i] for _, amounts in rows) for i in range(len(header) - 1))
    lines = tuple((name, *amounts) for name, amounts in rows)
    return Table(header, lines, groups=groups, total=("total", *total))


def _line_name(key: str, line: _Line) -> str:
    """A layer's name with its repetitions, and its operation if a file's own name does not contain it."""
    name = f"{key} {line.op}" if line.op and line.op not in key else key
    return name if line.times == 1 else f"{name} ×{exact(line.times)}"


def _totals_table(totals: Mapping[str, Totals], *, whole: str = "step") -> Table:
    """The amounts by phase; the last column is titled ``whole``."""
    phases = [phase for phase in (*PHASES, "step") if any(amount != 0 for amount in totals[phase].values())]
    if len(phases) <= 2:  # the forward pass is the whole step
        phases = phases[:1]
    names = [name for name in (*ALL, "flops") if any(totals[phase][name] != 0 for phase in phases)]
    titles = (whole if phase == "step" else phase for phase in phases)
    return Table(("", *titles), tuple((name, *(totals[phase][name] for phase in phases)) for name in names))
