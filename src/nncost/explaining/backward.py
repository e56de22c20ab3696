"""The backward pass: which derivatives there are, the chain rule of each layer, and the sums."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.counting.quantities import ALL, Quantity
from nncost.dims import Dim, add_all, tidy
from nncost.documents.document import Block, Equation, Heading, Maths, Paragraph
from nncost.explaining.card_steps import GRADIENT, steps_of
from nncost.explaining.cards.card import INPUT, WEIGHTS, Card
from nncost.explaining.context import Context, chosen
from nncost.explaining.derivation import forward as formulas_of
from nncost.explaining.derivation import gradient_parts, trace
from nncost.explaining.parameters import derivatives
from nncost.explaining.phase import (
    SHOWN,
    batch_note,
    cards_of,
    explained,
    formula,
    formula_table,
    letters_line,
    operations_table,
    plain_note,
    steps_table,
    sums,
)
from nncost.explaining.topics import Topic
from nncost.notation.written import tidied, written
from nncost.units import ratio


def backward(context: Context, topic: Topic) -> list[Block]:
    """Return the backward pass, from the loss to the first layer."""
    quantity = topic.quantity
    if quantity == "derivatives":
        return _derivatives(context)
    quantities = chosen(SHOWN if quantity is None else ALL, quantity)
    entries = [e for e in context.accounts.of("backward") if any(e.amounts.get(name, 0) != 0 for name in quantities)]
    content: list[Block] = []
    if quantity is None:
        content += [*_derivatives(context), *_chain_rule(context)]
    for card in cards_of(entries):
        content += _card(card, quantities)
    content += operations_table(entries, quantities)
    content += [*plain_note(entries, quantities), *batch_note(context, added_up="add" in quantities)]
    content += sums(context, "backward", quantities) or [
        Paragraph(f"{topic.path} is 0." if quantity else "Nothing to compute.")
    ]
    if quantity in (None, "mul", "macs"):
        content += _first_layers(context)
    if quantity is None:
        content += [*_reused(context), *_ratio(context)]
    return content


# ------------------------------------------------------------------- which derivatives
def _derivatives(context: Context) -> list[Block]:
    total = tidied(context.report.backward.derivatives)
    intro = (
        "For every weight and every bias training asks: if this number grew a little, how would the loss L change? "
        f"Each answer is one derivative, so there are as many as trainable parameters: {total.text}. "
        "The size of the batch does not change their number."
    )
    return [Heading("Derivatives (backward.derivatives)"), Paragraph(intro), derivatives(context)]


def _chain_rule(context: Context) -> list[Block]:
    text = (
        "The loss hands over its gradient at the output. The backward pass carries it from the last layer to the "
        "first by the chain rule: each layer receives g, the gradient of its output, and computes the gradients of its "
        "parameters and, for the layer before it, of its input. Behind an activation the gradient is called δ."
    )
    return [Heading("The chain rule, layer by layer"), Paragraph(text)]


# ------------------------------------------------------------------- one kind of layer
def _card(card: Card, quantities: Sequence[Quantity]) -> list[Block]:
    content: list[Block] = [Heading(card.title)]
    content += [Equation(equation) for equation in card.gradients or card.equations]
    shown = card.gradients or card.equations
    content.append(letters_line(card, shown))
    labels = frozenset(trace(card).labelled)
    if not labels:
        return content + formula_table(card, formulas_of(card), quantities)
    rows: list[tuple[str | Maths, ...]] = []
    for part, counts in gradient_parts(card, labels, frozenset({0})):
        why = card.why_backward.get(part, "")
        for name in (name for name in quantities if name in counts):
            rows.append((part or "all", name, formula(card, counts[name]), why))
            why = ""
    content += explained(("gradient", "quantity", "formula", "why"), rows)
    before, steps = steps_of(card)
    are_gradients = all(step.name.startswith(GRADIENT) for step in steps)
    return content if are_gradients and len(steps) > 1 else content + steps_table(card, steps, quantities, before)


# ------------------------------------------------------------------- what is not computed
def _first_layers(context: Context) -> list[Block]:
    """Layers that compute a weight gradient more often than the gradient of their input."""
    often: dict[str, dict[str, list[Dim]]] = {}
    for entry in context.accounts.of("backward", "mul"):
        if entry.reading is not None and INPUT in trace(entry.reading.card).labelled:
            often.setdefault(entry.place[0], {}).setdefault(entry.part, []).append(entry.times)
    for path, parts in often.items():
        with_weights, with_input = (add_all(parts.get(part, ())) for part in (WEIGHTS, INPUT))
        if with_weights != 0 and tidy(with_weights - with_input) == 1:
            return [Paragraph(_spared(context, path, repeated=with_weights != 1))]
    return []


def _spared(context: Context, path: str, *, repeated: bool) -> str:
    layer = f"The first {path}" if repeated else path
    text = f"{layer} has no {INPUT}: no one needs the derivative of the network's input, so it is not computed."
    products = [e for e in context.accounts.of("backward", "mul") if e.place[0] == path and e.part == WEIGHTS]
    amount = tidied(products[0].amounts["mul"]).text
    return f"{text} That saves {amount} multiplications, as many as its {WEIGHTS} takes."


def _reused(context: Context) -> list[Block]:
    saved = [card.saved for card in cards_of(context.accounts.of("backward")) if card.saved]
    if not saved:
        return []
    return [
        Heading("What is reused"),
        Paragraph(f"The forward pass keeps {'; '.join(dict.fromkeys(saved))}. None of it is computed again."),
    ]


def _ratio(context: Context) -> list[Block]:
    forward, back = context.report.forward.mul, context.report.backward.mul
    if forward == 0:
        return []
    reason = (
        "A layer with weights does its forward products once more for ∂L/∂W and once more for ∂L/∂x: two for one. "
        "But the first layer needs no ∂L/∂x, and activations add some of their own, so “twice the forward pass” is "
        "a limit that deep, wide networks come close to, not a rule."
    )
    content: list[Block] = [Heading("Backward against forward (multiplications)")]
    if isinstance(forward, int) and isinstance(back, int):
        above, below, quotient = written(back), written(forward), ratio(back, forward)
        text = f"{above.text} / {below.text} ≈ {quotient}"
        content.append(Equation(Maths(text, rf"{above.latex} / {below.latex} \approx {quotient}")))
    return [*content, Paragraph(reason)]
