"""Machine instructions per counted operation, and the fixed cost of a step that they show."""

from __future__ import annotations

from nncost.counting.quantities import PRIMITIVE
from nncost.documents.document import Block, Paragraph
from nncost.explaining.context import Context
from nncost.explaining.time.instructions import MOST_FLOPS, TOOL, Network, instructions_of_step
from nncost.explaining.time.saying import saying
from nncost.explaining.time.steps import batch_of, whole
from nncost.pipeline.settings import Settings
from nncost.records import replace
from nncost.units import grouped

_MANY = 64
"""A batch in which the work on each example outweighs what a step costs anyway."""


def fixed_cost(context: Context, operations: int) -> list[Block]:
    """A sentence of the machine instructions, if valgrind can count them."""
    if operations > MOST_FLOPS or not isinstance(context.source, str) or context.settings.load.symbols:
        return []
    load, counted = context.settings.load, context.counted
    network = Network(
        context.source, batch_of(context.report), counted.loss, counted.optimizer, load.bias, load.activation
    )
    with saying(f"counting machine instructions with {TOOL}"):
        one = instructions_of_step(network, operations)
        larger = operations * (network.batch + _MANY) // network.batch
        is_quick = one is not None and larger <= MOST_FLOPS
        many = instructions_of_step(replace(network, batch=network.batch + _MANY), larger) if is_quick else None
    if one is None:
        return []
    text = (
        f"Run by NumPy, a step executes {grouped(one)} machine instructions (counted by {TOOL}): "
        f"{one / operations:.2g} per counted operation."
    )
    if many is not None and many > one:
        rest = replace(context.settings, load=replace(load, batch=_MANY + network.batch), examples=None, epochs=1)
        more = _operations(context.source, rest) - operations
        text += (
            f" {_MANY} further examples in the batch add {grouped(many - one)} instructions for {grouped(more)} operations, "
            f"{(many - one) / more:.2g} per operation: one vector instruction multiplies and adds several numbers at once. "
            "The rest is the fixed cost of a step: Python, NumPy's calls and their checks."
        )
    return [Paragraph(text)]


def _operations(source: str, settings: Settings) -> int:
    from nncost.pipeline.count import count_source

    rows = count_source(source, settings).ledger.rows
    return sum(whole(row.amount) for row in rows if row.quantity in PRIMITIVE)
