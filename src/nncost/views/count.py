"""A count as a document: facts, a table by layer, operation, phase or memory, the totals, memory and notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from nncost.counting.conventions import CONVENTIONS
from nncost.counting.quantities import ALL
from nncost.counting.storage import decimal
from nncost.dims import add_all, is_symbolic, same, shape_text
from nncost.documents.document import Block, Document, Facts, Heading, Note, Section, Table
from nncost.ir.dtypes import BITS_PER_BYTE, DTYPE_BITS, INTEGER_DTYPES
from nncost.ir.graph import PHASES
from nncost.layer_paths import ranged
from nncost.pipeline.choices import check_choice
from nncost.report import ParameterCounts, ParameterType, Report, Totals
from nncost.report_data import plain
from nncost.units import counted, exact
from nncost.views import shortened
from nncost.views.command import Command
from nncost.views.layers import row_table
from nncost.views.memory import memory_facts, timeline_blocks

BY = ("layer", "op", "phase", "memory")
MEMORY = "Memory of one step"
_OF_NEURONS = {
    "dense", "rnn", "lstm", "gru", "Linear", "LazyLinear", "RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell",
}  # fmt: skip
"""Operations whose outputs people call neurons."""


def count_document(
    report: Report,
    *,
    by: str = "layer",
    depth: int | None = None,
    expand: bool = False,
    shapes: bool | None = None,
    command: Command | None = None,
) -> Document:
    """Return the counts, with rows ``by`` layer, op, phase or memory (its timeline) and paths cut to ``depth`` names.

    ``expand`` opens equal layers and shows the operations inside each. ``shapes`` shows what layers return: True always,
    False never, None where there is room. ``command`` is the one that asked. Raise OptionError for another ``by``.
    """
    check_choice("grouping", by, BY)
    blocks: list[Block] = [Facts(tuple(_facts(report)))]
    if by == "memory":
        blocks += timeline_blocks(report, depth)
    else:
        if by != "phase":
            blocks += [Heading(by.capitalize()), row_table(report, by, depth, expand=expand, shapes=shapes)]
        blocks += [Heading("One step"), _totals_table(report.totals), *_run(report)]
    blocks += [Heading(MEMORY), Facts(tuple(memory_facts(report)))]
    blocks += [*warnings(report), *map(Note, _closing(report))]
    blocks += [] if command is None else [command.next("explain")]
    inputs = ", ".join(f"{name} {shape_text(shape)}" for name, shape in report.source.inputs.items())
    return Document(f"{shortened(report.source.name)}   ({inputs})", (Section("", tuple(blocks)),))


def _run(report: Report) -> list[Block]:
    run = report.run
    if run is None:
        return []
    assumed = [Note(f"Assumes that {run.assumes}.")] if run.assumes else []
    return [Heading(f"The whole run: {counted(run.steps, 'step')}"), _totals_table(run.totals, whole="run"), *assumed]


def parameters_fact(p: ParameterCounts) -> tuple[str, str]:
    """Return the number of parameters as a sum of weights, biases and others."""
    parts = [counted(p.weights, "weight"), counted(p.biases, "bias")]
    parts += [f"{exact(p.other)} other"] if p.other != 0 else []
    return "parameters", f"{exact(p.total)}  =  {' + '.join(parts)}   ({counted(p.bytes, 'byte')})"


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    p, settings = report.parameters, report.settings
    yield parameters_fact(p)
    if p.active != p.total:
        yield "active", f"{exact(p.active)} (used for one token; the others belong to experts it is not sent to)"
    yield from _types(report)
    if p.trainable != p.total:
        whole = add_all(each.parameters for each in report.parameter_types if each.dtype in INTEGER_DTYPES)
        why = "whole numbers are not trained" if same(p.total - p.trainable, whole) else "the others are frozen"
        yield "trainable", f"{exact(p.trainable)} ({why})"
    if p.buffers != 0:
        yield "buffers", f"{exact(p.buffers)} (kept, but not learned)"
    if _has_neurons(report):
        yield "neurons", exact(report.neurons)
    setting = f"batch {plain(settings['batch'])}, {settings['dtype']}, {settings['mode']}"
    if settings["loss"] != "none":
        setting += f", loss {settings['loss']}, optimizer {settings['optimizer']}"
    if settings["accumulate"] != 1:
        setting += f", {settings['accumulate']} micro-batches a step"
    yield "settings", setting


def _types(report: Report) -> Iterator[tuple[str, str]]:
    """How many parameters have which type and how many bits each, where there are several types or quantized numbers."""
    types = report.parameter_types
    if report.storage is None and (len(types) > 1 or any(each.dtype in INTEGER_DTYPES for each in types)):
        each = [f"{exact(t.parameters)} {t.dtype} ({_bits(t)} bits)" for t in types]
        yield "types", ", ".join(each)


def _bits(each: ParameterType) -> str:
    bits = Fraction(DTYPE_BITS[each.dtype])
    if not is_symbolic(each.parameters) and not is_symbolic(each.bytes) and each.parameters:
        bits = Fraction(BITS_PER_BYTE * int(each.bytes), int(each.parameters))
    return decimal(bits)


def _has_neurons(report: Report) -> bool:
    """Whether every product is one of a dense or recurrent layer: of other networks nobody counts neurons."""
    forward = [row for row in report.rows if row.phase == "forward"]
    return report.neurons != 0 and all(row.op in _OF_NEURONS for row in forward if row.counts["macs"] != 0)


def warnings(report: Report) -> list[Note]:
    """Return what is missing in the totals, and what is not exact."""
    texts = []
    if not report.complete:
        many = len(report.unknown) > 1
        names = ", ".join(_by_operation((item["path"], item["op"]) for item in report.unknown))
        said = "unknown operations are" if many else "unknown operation is"
        texts.append(f"INCOMPLETE: {len(report.unknown)} {said} not in the totals: {names}")
        from nncost.frontends.lowering import rule_name

        own = [name for item in report.unknown if (name := rule_name(report.source.kind, item["op"]))][:1]
        texts += [
            f'Say what it computes with @nncost.lowers("{name}"): nncost docs own-operators shows how.' for name in own
        ]
    if report.estimated:
        texts.append(f"Estimated, not exact: {', '.join(_estimated(report.estimated))}")
    return [Note(text, is_warning=True) for text in texts]


def _by_operation(places: Iterator[tuple[str, str]]) -> Iterator[str]:
    """Operations with the layers they are in: ``NonZero (blocks.0-3)``."""
    layers: dict[str, list[str]] = {}
    for path, op in places:
        layers.setdefault(op, []).append(path)
    return (f"{op} ({ranged(paths)})" for op, paths in layers.items())


def _estimated(places: Sequence[str]) -> Iterator[str]:
    """Places such as ``layers.0.gate: TopK (cmp)``, those of equal layers together."""
    layers: dict[str, list[str]] = {}
    for place in places:
        path, _, what = place.rpartition(": ")
        layers.setdefault(what, []).append(path)
    return (f"{ranged(paths)}: {what}" for what, paths in layers.items())


def _closing(report: Report) -> Iterator[str]:
    convention = CONVENTIONS[report.settings["convention"]]
    yield from (f"Note: {note}" for note in report.notes)
    yield f"Free by rule here: {', '.join(sorted(report.free)) or 'none'}."
    yield f"Convention {convention.name}: {convention.summary}."
    if report.settings["loss"] == "none":
        yield "This is the forward pass; --loss and --optimizer add backward and update."


# ------------------------------------------------------------------- totals
def _totals_table(totals: Mapping[str, Totals], *, whole: str = "step") -> Table:
    """The amounts by phase; the last column is titled ``whole``."""
    phases = [phase for phase in (*PHASES, "step") if any(amount != 0 for amount in totals[phase].values())]
    if len(phases) <= 2:  # the forward pass is the whole step
        phases = phases[:1]
    names = [name for name in (*ALL, "flops") if any(totals[phase][name] != 0 for phase in phases)]
    titles = (whole if phase == "step" else phase for phase in phases)
    return Table(("", *titles), tuple((name, *(totals[phase][name] for phase in phases)) for name in names))
