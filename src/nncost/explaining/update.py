"""The optimizer's update, the whole step and the whole run."""

from __future__ import annotations

from functools import cache

from nncost.counting.conventions import convention_named
from nncost.counting.quantities import PRIMITIVE, TRAFFIC
from nncost.dims import Dim, symbol, tidy
from nncost.documents.document import Block, Equation, Heading, Line, Maths, Paragraph, Work
from nncost.explaining.context import Context, chosen, in_words
from nncost.explaining.derivation import Counts, count_item, put_in
from nncost.explaining.formulas import mathematics, multiplied, tidied, written
from nncost.explaining.phase import traffic
from nncost.explaining.topics import Topic
from nncost.explaining.working import summed
from nncost.ir.builder import Builder
from nncost.ir.graph import PHASES
from nncost.ir.layers import Update
from nncost.ir.training.optimizers import OPTIMIZERS


def update(context: Context, topic: Topic) -> list[Block]:
    """Return the operations per parameter, times the parameters."""
    quantity, name = topic.quantity, context.counted.optimizer
    for name_of_bytes in chosen(TRAFFIC, quantity) if quantity is not None else ():
        return [Heading(f"{in_words(name_of_bytes)} ({topic.path})"), *traffic(context, "update", name_of_bytes)]
    content: list[Block] = [
        Paragraph(f"The optimizer {name} moves every parameter p by its derivative g:"),
        *(Equation(Maths(part.strip(), mathematics(part.strip()))) for part in OPTIMIZERS[name].formula.split(";")),
    ]
    if quantity is None:
        content.append(
            Paragraph("Numbers that are the same for the whole step, such as the learning rate η, are free.")
        )
    return [*content, *_sums(context, name, quantity)]


@cache
def each(optimizer: str) -> tuple[Dim, Counts]:
    """Return the letter n and what an update of n parameters takes."""
    n = symbol("n")
    rule = OPTIMIZERS[optimizer]
    b = Builder(phase="update")
    p, g = b.input((n,)), b.input((n,))
    states = [b.input((n,)) for _ in rule.states]
    with b.region(Update(optimizer), p, g, *states) as region:
        new, new_states = rule.update(b, p, g, states)
        region.returns(new, *new_states)
    return n, count_item(b.items[-1], set())


def _sums(context: Context, optimizer: str, quantity: str | None) -> list[Block]:
    n, counts = each(optimizer)
    trained = context.report.backward.derivatives
    content: list[Block] = []
    for name in chosen(PRIMITIVE, quantity):
        total = context.report.update[name]
        if total == 0:
            continue
        per_parameter = put_in(counts.get(name, 0), {n: 1})
        line = Line("all parameters", None, None, tidied(total))
        if put_in(counts.get(name, 0), {n: trained}) == total or tidy(per_parameter * trained - total) == 0:
            one = written(per_parameter)
            numbers = multiplied(per_parameter, tidied(trained), loose=" " in tidied(trained).text)
            formula = Maths(f"{one.text} per parameter", rf"{one.latex} \text{{ per parameter}}")
            line = Line("all parameters", formula, numbers, tidied(total))
        content += [Heading(f"{in_words(name)} (update.{name})"), Work((line,))]
    return content or [
        Paragraph("Nothing is trained, so nothing is computed." if quantity is None else f"update.{quantity} is 0.")
    ]


def step(context: Context, topic: Topic) -> list[Block]:
    """Return the four phases added up."""
    quantity, totals = topic.quantity, context.report.totals
    shown = [name for name in (*PRIMITIVE, "flops") if totals["step"][name] != 0] if quantity is None else [quantity]
    content: list[Block] = [Paragraph("Forward pass, loss, backward pass and update added up.")]
    if "flops" in shown:
        convention = convention_named(context.settings.convention)
        content.append(Paragraph(f"Convention {convention.name}: {convention.summary}."))
    for name in shown:
        content += [Heading(f"{in_words(name)} (step.{name})"), _phases(context, name)]
    if quantity is not None:
        content.append(Paragraph(f"Each line has an explanation of its own, for example: forward.{quantity}."))
    return content


def _phases(context: Context, quantity: str) -> Work:
    totals = context.report.totals
    lines = [
        Line(phase, None, None, tidied(totals[phase][quantity])) for phase in PHASES if totals[phase][quantity] != 0
    ]
    return summed(tuple(lines), totals["step"][quantity])
