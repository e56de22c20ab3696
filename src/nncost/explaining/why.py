"""Why another tool says another number: layer by layer, what it counts and what it leaves out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from nncost.counting.conventions import Convention, Counted, convention_named
from nncost.dims import Dim, add_all, is_symbolic
from nncost.documents.document import Cell, Document, Number, Paragraph, Section, Table
from nncost.errors import OptionError
from nncost.pipeline.convention_flops import multiplying_parameters, tokens, tool_counts
from nncost.pipeline.count import Counted as Count
from nncost.pipeline.count import count_source
from nncost.pipeline.report_on import report_on
from nncost.pipeline.settings import Settings, load_options
from nncost.units import exact

FEW = 5
"""Number of operations that are named if a tool leaves some out."""
MOVES = {
    "_reshape_alias", "_to_copy", "_unsafe_view", "alias", "arange", "as_strided", "broadcast_to", "cat", "chunk", "clone",
    "contiguous", "copy_", "detach", "detach_", "as_strided_", "dropout", "embedding", "empty", "empty_like", "expand", "expand_as", "fill_", "flatten",
    "full", "full_like", "gather", "index", "index_select", "lift_fresh", "masked_fill", "movedim", "narrow", "new_empty",
    "new_ones", "new_zeros", "ones", "ones_like", "pad", "permute", "repeat", "reshape", "roll", "select", "slice", "split",
    "split_with_sizes", "squeeze", "stack", "t", "to", "transpose", "type_as", "unbind", "unflatten", "unsafe_chunk",
    "unsafe_split", "unsqueeze", "view", "view_as", "zero_", "zeros", "zeros_like",
}  # fmt: skip
"""Operations without arithmetic: nobody counts them."""


@dataclass(slots=True)
class _Group:
    """All layers of one kind: our amounts, the tool's, and its reasons."""

    paths: set[str] = field(default_factory=set)
    macs: list[Dim] = field(default_factory=list)
    flops: list[Dim] = field(default_factory=list)
    theirs: int = 0
    reasons: dict[str, None] = field(default_factory=dict)
    missed: dict[str, None] = field(default_factory=dict)

    def add(self, counted: Counted, *, by_class: bool) -> None:
        """Add one finding of the tool; ``by_class`` if it is about a whole layer."""
        self.theirs += counted.amount
        if counted.amount:
            self.reasons[counted.reason] = None
        elif counted.operation not in MOVES and not counted.reason.startswith("free"):
            self.missed[counted.reason.removesuffix(": 0") if by_class else counted.operation] = None


def explain_why(source: Any, name: str, settings: Settings) -> Document:
    """Return where the number of the convention ``name`` differs from ours. Raise OptionError if it has none."""
    convention = convention_named(name)
    if name == "nncost":
        raise OptionError("nncost does not differ from itself.", hint="For example: --why fvcore")
    settings = replace(settings, convention="nncost")
    counted = count_source(source, settings)
    findings = tool_counts(convention, source, load_options(source, settings))
    if findings is None:
        return _by_rule(source, convention, settings, counted)
    assert convention.tool is not None
    groups = _grouped(counted, [each for each in findings if each.phase == "forward"])
    unit = convention.tool.unit
    total = _total(groups)
    text = (
        f"{convention.tool.version} says {exact(total.theirs)} {unit} for the forward pass; "
        f"nncost counts {exact(add_all(total.macs))} macs, which are {exact(add_all(total.flops))} flops as it counts them. "
        f"The difference is to nncost's {unit}. {convention.name}: {convention.summary}."
    )
    header = ("layers", "macs", "flops", convention.name, "difference", "why")
    rows = tuple(_row(kind, group, unit) for kind, group in groups.items() if _is_worth_a_row(group))
    table = Table(header, rows, align="lrrrrl", total=_row("total", total, unit))
    return _document(convention, Paragraph(text), table)


def _document(convention: Convention, *blocks: Paragraph | Table) -> Document:
    table = next(block for block in blocks if isinstance(block, Table))
    return Document(f"Why {convention.name} differs", (Section("", blocks),), main=table)


def _grouped(counted: Count, findings: Iterable[Counted]) -> dict[str, _Group]:
    """Findings and our own amounts by kind of layer, in the order of the network."""
    layers = counted.model.layers or {}
    groups: dict[str, _Group] = {kind: _Group() for kind in layers.values()}
    for row in counted.ledger.rows:
        if row.phase == "forward":
            group = groups.setdefault(layers.get(row.path, row.op), _Group())
            group.paths.add(row.path)
            if row.quantity == "macs":
                group.macs.append(row.amount)
            group.flops.append(counted.convention.weights.get(row.quantity, 0) * row.amount)
    for each in findings:
        group = groups.setdefault(layers.get(each.path, each.operation), _Group())
        group.paths.add(each.path)
        group.add(each, by_class=layers.get(each.path) == each.operation)
    return groups


def _is_worth_a_row(group: _Group) -> bool:
    return bool(group.theirs) or add_all(group.flops) != 0


def _total(groups: dict[str, _Group]) -> _Group:
    total = _Group()
    for group in groups.values():
        total.macs += group.macs
        total.flops += group.flops
        total.theirs += group.theirs
    return total


def _row(kind: str, group: _Group, unit: str) -> tuple[Cell, ...]:
    macs, flops = add_all(group.macs), add_all(group.flops)
    difference = group.theirs - (macs if unit == "macs" else flops)
    times = f" ×{len(group.paths)}" if len(group.paths) > 1 else ""
    return f"{kind}{times}", macs, flops, group.theirs, _signed(difference), _why(group, difference)


def _signed(difference: Dim) -> Cell:
    if is_symbolic(difference):
        return difference
    text = "0" if difference == 0 else f"{'+' if difference > 0 else '−'}{exact(abs(difference))}"
    return Number(difference, text)


def _why(group: _Group, difference: Dim) -> str:
    """Return what the tool counted and, if that is less than our count, the operations that it leaves out."""
    parts = list(group.reasons)
    if group.missed and not (is_symbolic(difference) or difference > 0):
        named = list(group.missed)
        more = f" and {len(named) - FEW} more" if len(named) > FEW else ""
        parts.append(f"silently 0: {', '.join(named[:FEW])}{more}")
    if not parts and group.paths and add_all(group.flops) != 0:
        parts.append("not seen: 0")
    return "; ".join(parts)


# ------------------------------------------------------------------- conventions without a tool at work
def _by_rule(source: Any, convention: Convention, settings: Settings, counted: Count) -> Document:
    """Two lines and a sentence: the convention is a rule on the ledger or on the parameters."""
    ours, theirs = (report_on(source, replace(settings, convention=name)) for name in ("nncost", convention.name))
    rows = (
        ("nncost", ours.forward.macs, ours.forward.flops),
        (convention.name, theirs.forward.macs, theirs.forward.flops),
    )
    blocks: list[Paragraph | Table] = [
        Paragraph(f"{convention.name}: {convention.summary}."),
        Table(("convention", "macs", "flops"), rows),
    ]
    if convention.per_parameter:
        n, d = exact(multiplying_parameters(counted.model)), exact(tokens(counted.model))
        each = convention.per_parameter["forward"]
        blocks.append(Paragraph(f"N = {n} parameters outside embedding layers, D = {d}: {each}·N·D forward."))
        blocks.append(
            Paragraph("It knows neither attention's products nor how often a kernel is used, and no other work.")
        )
    return _document(convention, *blocks)
