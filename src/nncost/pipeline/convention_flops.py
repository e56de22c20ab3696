"""Flops by a convention that the ledger cannot give: from what another tool sees, or from parameters and tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nncost.counting.conventions import CannotCount, Convention, Counted, for_every_source
from nncost.counting.ledger import Row
from nncost.counting.quantities import Quantity
from nncost.dims import Dim, add_all, product
from nncost.errors import OptionError, ShapeError
from nncost.frontends import registry
from nncost.frontends.model import LoadOptions, Model
from nncost.ir import ops
from nncost.ir.graph import Item, Node, walk
from nncost.ir.training.losses import NO_LOSS
from nncost.records import replace

if TYPE_CHECKING:
    from nncost.ir.call_log import CallLog

FLOPS: Quantity = "flops"
LOOKED_UP = {"embedding", "Embedding", "EmbeddingBag"}
"""Layers whose parameters are looked up, not multiplied."""


def with_flops(
    convention: Convention, source: Any, options: LoadOptions, model: Model, loss: str
) -> tuple[list[Row], Convention]:
    """Rows of flops that replace the convention's weights, and the convention that is left.

    Raise OptionError if the convention cannot be applied to the source.
    """
    if convention.per_parameter:
        return _by_parameters(convention, model, loss), convention
    counted = tool_counts(convention, source, options)
    if counted is None:
        return [], convention
    layers = model.layers or {}
    rows = [
        Row(each.path, layers.get(each.path, each.operation), each.operation, each.phase, FLOPS, each.amount)
        for each in counted
        if each.amount
    ]
    return rows, replace(convention, weights={})


def tool_counts(convention: Convention, source: Any, options: LoadOptions) -> list[Counted] | None:
    """What the convention's tool makes of the source; None where the convention has weights for it instead."""
    tool = convention.tool
    if tool is None:
        return None
    log = _observed(convention, source, options)
    if log is None:
        if convention.anywhere:
            return None
        raise OptionError(
            f"the convention {convention.name} says what {tool.version} sees of a PyTorch module while it runs; "
            "this source is none.",
            hint=f"Conventions for every source: {for_every_source()}.",
        )
    return _counted(convention, log)


def _observed(convention: Convention, source: Any, options: LoadOptions) -> CallLog | None:
    assert convention.tool is not None
    try:
        return registry.observe(source, options, convention.tool.instrumentation)
    except ShapeError as error:
        raise OptionError(
            f"{convention.tool.version} counts numbers, no formulas: {error}", hint="Give every symbol a value."
        ) from None


def _counted(convention: Convention, log: CallLog) -> list[Counted]:
    assert convention.tool is not None
    try:
        return list(convention.tool.count(log))
    except (CannotCount, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise OptionError(
            f"{convention.tool.version} has no number for this network: {error}.",
            hint=f"Conventions for every source: {for_every_source()}.",
        ) from error


# ------------------------------------------------------------------- parameters times tokens
def _by_parameters(convention: Convention, model: Model, loss: str) -> list[Row]:
    amount = multiplying_parameters(model) * tokens(model)
    phases = [phase for phase in convention.per_parameter if phase == "forward" or loss != NO_LOSS]
    return [Row("", convention.name, "", phase, FLOPS, convention.per_parameter[phase] * amount) for phase in phases]


def multiplying_parameters(model: Model) -> Dim:
    """All learned numbers outside embedding layers."""
    tables = _tables(model)
    return add_all(p.tensor.elements for p in model.graph.parameters if p.role != "buffer" and p.path not in tables)


def tokens(model: Model) -> Dim:
    """Every whole number a network with an embedding layer reads from its first input; else one for each example."""
    first = next(iter(model.inputs.values()), ())
    return product(first) if _tables(model) and len(first) > 1 else model.batch


def _tables(model: Model) -> set[str]:
    """The layers that look up their parameters."""
    if model.layers is not None:
        return {path for path, kind in model.layers.items() if kind in LOOKED_UP}
    nodes = list(_nodes(model.graph.items))
    read = {node.inputs[0] for node in nodes if isinstance(node.op, ops.Gather)}
    used = {tensor for node in nodes if not isinstance(node.op, ops.Gather) for tensor in node.inputs}
    return {p.path for p in model.graph.parameters if p.tensor in read - used}


def _nodes(items: Sequence[Item]) -> Iterator[Node]:
    """Every node, those in the bodies of Repeat included."""
    for node in walk(items):
        yield node
        if isinstance(node.op, ops.Repeat):
            yield from _nodes(node.op.body.items)
