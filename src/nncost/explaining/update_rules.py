"""What an optimizer does to one parameter: by its textbook formula, or as a framework ran it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from nncost.counting.quantities import PRIMITIVE, Quantity
from nncost.dims import Dim, symbol
from nncost.documents.document import Block, Equation, Maths, Paragraph, Table
from nncost.explaining.arithmetic import whole_quotient
from nncost.explaining.context import Context, chosen
from nncost.explaining.derivation import constant_tensors, count_item, put_in
from nncost.explaining.executed import Executed
from nncost.explaining.phase import stands_in
from nncost.explaining.steps import NOT_STEPS, Step, Writer, steps_of_item
from nncost.ir.builder import Builder
from nncost.ir.graph import Region
from nncost.ir.layers import Update
from nncost.ir.training.optimizers import AS_ADAM, MOMENTUM, OPTIMIZERS, RMSPROP_ALPHA
from nncost.notation.written import mathematics

_STATES = {"first": "m", "second": "v", "velocity": "v", "square": "v", "total": "s", "momentum": "m"}
"""How the formulas of the optimizers write their states."""


@cache
def letter_n() -> Dim:
    """The number of parameters in an update."""
    return symbol("n")


_SYMBOLS = {
    "p": "the parameter", "g": "its derivative", "m": "kept from step to step", "v": "kept from step to step",
    "s": "kept from step to step", "η": "the learning rate", "λ": "the weight decay", "ε": "a small constant",
    "μ": f"the momentum, {MOMENTUM}", "α": f"a constant, {RMSPROP_ALPHA}", "β₁": "a constant near 1",
    "β₂": "a constant near 1", "t": "the number of the step",
}  # fmt: skip
"""What the letters in the formulas of optimizers mean."""


def textbook(optimizer: str) -> list[Block]:
    """Return the formulas of an optimizer, and what their letters mean."""
    formula = OPTIMIZERS[optimizer].formula.replace(AS_ADAM, OPTIMIZERS["adam"].formula)
    parts = formula.split(";  ")
    plain = formula.replace("m̂", "m").replace("v̂", "v").replace("ᵗ", " t")
    meanings = [f"{symbol} {meaning}" for symbol, meaning in _SYMBOLS.items() if stands_in(symbol, plain)]
    return [*(Equation(Maths(part, mathematics(part))) for part in parts), Paragraph(f"{'; '.join(meanings)}.")]


@cache
def _traced(optimizer: str) -> tuple[Builder, Region]:
    """The update of n parameters."""
    n, rule = letter_n(), OPTIMIZERS[optimizer]
    b = Builder(phase="update")
    p, g = b.input((n,), name="p"), b.input((n,), name="g")
    states = [b.input((n,), name=_STATES[name]) for name in rule.states]
    with b.region(Update(optimizer), p, g, *states) as region:
        new, new_states = rule.update(b, p, g, states)
        region.returns(new, *new_states)
    traced = b.items[-1]
    assert isinstance(traced, Region)
    return b, traced


def steps_of_rule(optimizer: str) -> tuple[Step, ...]:
    """Return the assignments of an optimizer's formula with what each takes for n parameters."""
    b, region = _traced(optimizer)
    names = {tensor: tensor.name for tensor in b.inputs}
    new = ["p", *(_STATES[name] for name in OPTIMIZERS[optimizer].states)]
    results = dict(zip(region.outputs, new, strict=True))
    return Writer(names, results, constant_tensors(b.items)).write(b.items)


@cache
def per_parameter(optimizer: str) -> Mapping[Quantity, Dim]:
    """Return what the textbook's update of one parameter takes."""
    counts = count_item(_traced(optimizer)[1], set())
    return {name: put_in(amount, {letter_n(): 1}) for name, amount in counts.items()}


# ------------------------------------------------------------------- as a framework ran it
_AS_RUN = (
    "PyTorch's {} changes every parameter by these operations, in this order, as it ran here. a is the tensor that each "
    "is called on, b and c are the others; numbers that are the same for all parameters are free."
)
_DIFFERENCE = (
    "The textbook's {} computes the same from other operations, so its counts per parameter differ from PyTorch's:"
)


def updates_as_run(context: Context, quantity: str | None) -> list[Block]:
    """Return the operations of one tensor's update, per parameter, and how the textbook's counts differ."""
    name = context.counted.optimizer
    works, alike = _one_tensor(context)
    rows = []
    for work in works:
        for step in steps_of_item(work):
            taken = _per_element(work, step, alike, chosen(PRIMITIVE, quantity))
            if taken:
                rows.append((step.expression, taken))
    content: list[Block] = [Paragraph(_AS_RUN.format(name))] if rows else []
    content += [Table(("computes", "takes per parameter"), tuple(rows), align="ll")] if rows else []
    return content + (_difference(context, name) if quantity is None else [])


def _one_tensor(context: Context) -> tuple[list[Executed], int]:
    """The updates of one tensor, and how many tensors of its layer they stand for."""
    updates = [work for work in context.accounts.executed if work.place[2] == "update"]
    for parameter in context.counted.step.gradients:
        shape = parameter.tensor.shape
        works = [
            w for w in updates if w.place[0] == parameter.path and w.item.outputs and w.item.outputs[0].shape == shape
        ]
        if works:
            gradients = context.counted.step.gradients
            return works, sum(p.path == parameter.path and p.tensor.shape == shape for p in gradients)
    return [], 1


def _per_element(work: Executed, step: Step, alike: int, quantities: Sequence[Quantity]) -> str:
    """``2 add, 1 mul``: what a step takes for each element."""
    parts = []
    for name in quantities:
        times = whole_quotient(step.counts.get(name, 0) * work.times, work.item.outputs[0].elements * alike)
        if times and name not in NOT_STEPS:
            parts.append(f"{times} {name}")
    return ", ".join(parts)


def _difference(context: Context, name: str) -> list[Block]:
    """The textbook's counts beside the framework's, if it has such an optimizer and they differ."""
    if name not in OPTIMIZERS:
        return []
    trained, update = context.report.backward.derivatives, context.report.update
    rows = []
    for quantity in PRIMITIVE:
        book, ran = per_parameter(name).get(quantity, 0), whole_quotient(update[quantity], trained)
        if book != 0 or update[quantity] != 0:
            rows.append((quantity, book, "–" if ran is None else ran))
    if all(book == ran for _, book, ran in rows):
        return []
    return [
        Paragraph(_DIFFERENCE.format(name)),
        *textbook(name),
        Table(("per parameter", "textbook", "PyTorch"), tuple(rows)),
    ]
