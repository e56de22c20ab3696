"""The optimizer's update, and the whole step."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.counting.conventions import convention_named
from nncost.counting.quantities import PRIMITIVE, TRAFFIC, Quantity
from nncost.documents.document import Block, Heading, Line, Maths, Paragraph, Table, Work
from nncost.explaining.arithmetic import whole_quotient
from nncost.explaining.context import Context, chosen
from nncost.explaining.derivation import put_in
from nncost.explaining.expressions import named
from nncost.explaining.phase import sums
from nncost.explaining.topics import Topic
from nncost.explaining.traffic import traffic
from nncost.explaining.update_rules import letter_n, steps_of_rule, textbook, updates_as_run
from nncost.explaining.words import in_words
from nncost.explaining.working import summed
from nncost.ir.graph import PHASES
from nncost.notation.written import joined, multiplied, tidied


def update(context: Context, topic: Topic) -> list[Block]:
    """Return the operations per parameter, times the parameters."""
    quantity, name = topic.quantity, context.counted.optimizer
    for name_of_bytes in chosen(TRAFFIC, quantity) if quantity is not None else ():
        return [Heading(f"{in_words(name_of_bytes)} ({topic.path})"), *traffic(context, "update", name_of_bytes)]
    if context.counted.model.trace is not None:
        return [*updates_as_run(context, quantity), *_sums(context, quantity)]
    content: list[Block] = [
        Paragraph(f"The optimizer {name} moves every parameter p by its derivative g:"),
        *textbook(name),
        *_steps(name, chosen(PRIMITIVE, quantity)),
    ]
    if quantity is None:
        content.append(
            Paragraph("Numbers that are the same for the whole step, such as the learning rate η, are free.")
        )
    return [*content, *_sums(context, quantity)]


def _steps(optimizer: str, quantities: Sequence[Quantity]) -> list[Block]:
    """Each assignment with the operations in it, for one parameter."""
    rows = []
    for step in steps_of_rule(optimizer):
        counts = {name: put_in(amount, {letter_n(): 1}) for name, amount in step.counts.items()}
        taken = ", ".join(f"{counts[name]} {name}" for name in quantities if name in counts)
        if taken:
            rows.append((joined([named(step.name).maths, step.expression], " ← ", r" \leftarrow "), taken))
    return [Table(("operation by operation", "takes per parameter"), tuple(rows), align="ll")] if len(rows) > 1 else []


def _sums(context: Context, quantity: str | None) -> list[Block]:
    """So many operations per parameter, if that is a whole number; otherwise layer by layer."""
    trained = context.report.backward.derivatives
    content: list[Block] = []
    for name in chosen(PRIMITIVE, quantity):
        total = context.report.update[name]
        if total == 0:
            continue
        times = whole_quotient(total, trained)
        if times is None:
            content += sums(context, "update", [name])
            continue
        numbers = multiplied(times, tidied(trained), loose=" " in tidied(trained).text)
        formula = Maths(f"{times} per parameter", rf"{times} \text{{ per parameter}}")
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
