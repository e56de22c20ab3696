"""The forward pass and the loss."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.counting.quantities import ALL, Quantity
from nncost.documents.document import Block, Equation, Heading, Paragraph
from nncost.explaining.accounts import Entry
from nncost.explaining.card_steps import steps_of
from nncost.explaining.context import Context, chosen
from nncost.explaining.derivation import forward as formulas_of
from nncost.explaining.phase import (
    SHOWN,
    batch_note,
    cards_of,
    formula_table,
    letters_line,
    operations_table,
    plain_note,
    steps_table,
    sums,
)
from nncost.explaining.topics import Topic
from nncost.notation.written import tidied


def forward(context: Context, topic: Topic) -> list[Block]:
    """Return, from the input to the output, the equation of each kind of layer, then the sums."""
    quantity = topic.quantity
    quantities = chosen(SHOWN if quantity is None else ALL, quantity)
    entries = _with_any(context.accounts.of("forward"), quantities)
    content: list[Block] = []
    if quantity is None:
        content.append(
            Paragraph("From the input to the output. First how each kind of layer works, then the sums layer by layer.")
        )
    for card in cards_of(entries):
        content += [Heading(card.title), *map(Equation, card.equations)]
        content += [letters_line(card, card.equations), *formula_table(card, formulas_of(card), quantities)]
        content += steps_table(card, steps_of(card)[0], quantities)
    content += operations_table(entries, quantities)
    content += [*plain_note(entries, quantities), *batch_note(context)] if entries else []
    content += sums(context, "forward", quantities) or _nothing(topic)
    if quantity is None:
        content += _closing(context)
    return content


def _with_any(entries: list[Entry], quantities: Sequence[Quantity]) -> list[Entry]:
    return [entry for entry in entries if any(entry.amounts.get(name, 0) != 0 for name in quantities)]


def _nothing(topic: Topic) -> list[Block]:
    return [Paragraph(f"{topic.path} is 0." if topic.quantity else f"The {topic.head} pass computes nothing.")]


def _closing(context: Context) -> list[Block]:
    macs = context.report.forward.macs
    if macs == 0:
        return []
    text = f"Of these multiplications {tidied(macs).text} are terms of sums of products; others call them macs."
    if macs == context.report.forward.mul:
        text = "All these multiplications are terms of sums of products; others call them macs."
    return [Paragraph(text)]


_FUSED = (
    "The network ends in softmax, so p is there already. And p − t is the gradient in front of the softmax: the "
    "backward pass starts there and has no lines for that layer."
)


def loss(context: Context, topic: Topic) -> list[Block]:
    """Return the loss's value and its gradient at the output."""
    quantities = chosen(SHOWN if topic.quantity is None else ALL, topic.quantity)
    entries = context.accounts.of("loss")
    content: list[Block] = []
    for card in cards_of(entries):
        content += [Heading(card.title), *map(Equation, card.equations), letters_line(card, card.equations)]
        content.append(
            Paragraph("Its value and its gradient at the output, where the backward pass starts, are both counted.")
        )
        content += formula_table(card, formulas_of(card), quantities)
        content += steps_table(card, steps_of(card)[0], quantities)
        if card.title == "cross_entropy" and "exp" not in formulas_of(card):
            content.append(Paragraph(_FUSED))
    content += [*operations_table(entries, quantities), *batch_note(context)]
    content += sums(context, "loss", quantities) or _nothing(topic)
    return content
