"""The parts that the forward pass, the loss and the backward pass share: cards and worked sums."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from nncost.counting.conventions import convention_named
from nncost.counting.quantities import PRIMITIVE, TRAFFIC, Quantity
from nncost.dims import Dim, add_all
from nncost.documents.document import Block, Heading, Line, Maths, Paragraph, Table
from nncost.explaining.accounts import Entry
from nncost.explaining.arithmetic import whole_quotient
from nncost.explaining.cards.card import BATCH, Card
from nncost.explaining.context import Context
from nncost.explaining.derivation import Counts, letters_of, simplest
from nncost.explaining.expressions import named
from nncost.explaining.steps import Step, steps_of_item
from nncost.explaining.traffic import traffic
from nncost.explaining.words import in_words
from nncost.explaining.working import summed, work
from nncost.ir.graph import Item, Phase
from nncost.notation.written import joined, multiplied, tidied, written

SHOWN: tuple[Quantity, ...] = (*PRIMITIVE, "activations")
"""The quantities a whole section works out; others are explained when they are asked for."""


def cards_of(entries: Iterable[Entry]) -> list[Card]:
    """Return each card once, in the order in which its layers are executed."""
    return list(dict.fromkeys(entry.reading.card for entry in entries if entry.reading is not None))


def letters_line(card: Card, shown: Iterable[Maths]) -> Paragraph:
    """``N inputs; M neurons; B examples in the batch``, and what else stands in the equations that are shown."""
    text = " ".join(maths.text for maths in shown)
    ordered = sorted(card.letters.items(), key=lambda pair: pair[0] == BATCH)
    others = [(name, meaning) for name, meaning in (*card.symbols.items(), _GRADIENT) if stands_in(name, text)]
    known = dict(ordered)
    parts = [*ordered, *((name, meaning) for name, meaning in others if name not in known)]
    return Paragraph("; ".join(f"{name} {meaning}" for name, meaning in parts) + ".")


_GRADIENT = ("g", "gradient of the layer's output")
_LETTER = r"[^\W\d_]|\u0302"
"""A letter of any alphabet, or the hat above one."""


def stands_in(symbol: str, text: str) -> bool:
    """Return whether a symbol stands in mathematics by itself, not as a part of a word and not explained there."""
    if not symbol[0].isalpha():
        return symbol in text
    explained = re.search(rf"with {symbol} = ", text)
    return not explained and re.search(rf"(?<![^\W\d_]){symbol}(?!{_LETTER})", text.replace("ᵀ", " ")) is not None


def formula(card: Card, dim: Dim) -> Maths:
    """Return a formula in a card's letters."""
    return written(dim, letters_of(card))


def formula_table(card: Card, counts: Counts, quantities: Sequence[Quantity]) -> list[Block]:
    """Return quantity, formula and reason of the quantities that the layer has."""
    rows = [(name, formula(card, counts[name]), card.why.get(name, "")) for name in quantities if name in counts]
    return explained(("quantity", "formula", "why"), rows)


def steps_table(
    card: Card, steps: Sequence[Step], quantities: Sequence[Quantity], earlier: Sequence[Step] = ()
) -> list[Block]:
    """Return what the layer computes, operation by operation, with what each step takes; nothing for a single step.

    What the steps read of ``earlier`` ones stands before them.
    """
    rows = [(step, taken) for step in steps if (taken := _taken(step, quantities, letters_of(card))) is not None]
    kept = [(step, Maths("kept", r"\text{kept}")) for step in _read(earlier, [step for step, _ in rows])]
    lines = tuple((_equation(step), taken) for step, taken in (*kept, *rows))
    return [Table(("operation by operation", "takes"), lines, align="ll")] if rows and len(lines) > 1 else []


def operations_table(entries: Iterable[Entry], quantities: Sequence[Quantity]) -> list[Block]:
    """Return what the operations without a card compute, each kind once: per value, or with the numbers of the first."""
    rows: dict[tuple[str | Maths, ...], Maths] = {}
    for entry in entries:
        for done in entry.works:
            steps = steps_of_item(done)
            for step in steps:
                each = _per_value(step, done.item, quantities) if len(steps) == 1 else None
                taken = each or _taken(step, quantities)
                if taken is not None:
                    rows.setdefault((entry.place[1], _equation(step)), taken)
    lines = tuple((*row, taken) for row, taken in rows.items())
    return [Table(("operations of", "computes", "takes"), lines, align="lll")] if rows else []


def _per_value(step: Step, item: Item, quantities: Sequence[Quantity]) -> Maths | None:
    """``2 mul, 1 add per value`` if every quantity is a whole number for each value of the result."""
    if not item.outputs:
        return None
    times = {name: whole_quotient(amount, item.outputs[0].elements) for name, amount in step.counts.items()}
    if None in times.values() or step.times != 1:
        return None
    parts = [f"{times[name]} {name}" for name in quantities if times.get(name)]
    text = f"{', '.join(parts)} per value"
    return Maths(text, rf"\text{{{text}}}") if parts else None


def _taken(step: Step, quantities: Sequence[Quantity], letters: Sequence[Dim] = ()) -> Maths | None:
    """What a step takes of the quantities; None if nothing."""
    costs = [
        joined(
            [written(simplest(step.counts[name] * step.times), letters), Maths(name, rf"\text{{{name}}}")], " ", r"\;"
        )
        for name in quantities
        if name in step.counts
    ]
    return joined(costs, ", ", r",\; ") if costs else None


def _read(earlier: Sequence[Step], steps: Sequence[Step]) -> list[Step]:
    """The earlier steps that later ones read, also by way of one another."""
    found: list[Step] = []
    for step in reversed(earlier):
        if any(re.search(rf"{step.name}(?![₀-₉])", later.expression.text) for later in (*steps, *found)):
            found.insert(0, step)
    return found


def _equation(step: Step) -> Maths:
    return joined([named(step.name).maths, step.expression], " = ", " = ")


def explained(header: tuple[str, ...], rows: Sequence[tuple[str | Maths, ...]]) -> list[Block]:
    """Return a table whose last column says why, or without that column if there are no reasons."""
    if not rows:
        return []
    if not any(row[-1] for row in rows):
        return [Table(header[:-1], tuple(row[:-1] for row in rows), align="l" * (len(header) - 1))]
    return [Table(header, tuple(rows), align="l" * len(header))]


def sums(context: Context, phase: Phase, quantities: Sequence[Quantity]) -> list[Block]:
    """Return, per quantity, the worked lines of every layer and their sum."""
    result: list[Block] = []
    for quantity in quantities:
        blocks = _sum(context, phase, quantity)
        if blocks:
            result += [Heading(f"{in_words(quantity)} ({phase}.{quantity})"), *blocks]
    return result


def _sum(context: Context, phase: Phase, quantity: Quantity) -> list[Block]:
    if quantity in TRAFFIC:
        return traffic(context, phase, quantity)
    entries = context.accounts.of(phase, quantity)
    micro_batches = context.micro_batches if phase != "update" else 1
    worked = work(context.accounts, entries, quantity, micro_batches=micro_batches)
    extra = [row.amount for row in context.counted.accumulation.rows if row.quantity == quantity and row.phase == phase]
    if context.micro_batches == 1 or not extra:
        return [worked] if entries else []
    added = add_all(extra) * (context.micro_batches - 1)
    once = tidied(add_all(extra))
    line = Line("adding up gradients", None, multiplied(context.micro_batches - 1, once, loose=False), tidied(added))
    total = add_all([*(entry.total(quantity) * micro_batches for entry in entries), added])
    return [summed((*worked.lines, line), total)]


def flops(context: Context, phase: str) -> list[Block]:
    """Return the convention's sum over a phase's quantities."""
    convention = convention_named(context.settings.convention)
    totals = context.report.totals[phase]
    lines: list[Line] = []
    for name, weight in convention.weights.items():
        amount = totals[name]
        if amount != 0:
            numbers = None if weight == 1 else multiplied(weight, tidied(amount), loose=False)
            lines.append(Line(name, None, numbers, tidied(weight * amount)))
    intro = Paragraph(f"Convention {convention.name}: {convention.summary}.")
    heading = Heading(f"Flops ({phase}.flops)")
    return [heading, intro, *([summed(tuple(lines), totals["flops"])] if lines else [])]


def batch_note(context: Context, *, added_up: bool = False) -> list[Block]:
    """Return why B is missing from the lines of a batch of one; ``added_up`` if sums over the batch vanish with it."""
    if context.counted.model.batch != 1:
        return []
    text = "The batch is one example here (B = 1), so B is left out of the lines below."
    vanished = " With one example there is nothing to add up over the batch: B − 1 is 0."
    return [Paragraph(text + vanished if added_up else text)]


def plain_note(entries: Sequence[Entry], quantities: Sequence[Quantity]) -> list[Block]:
    """Return which layers' amounts are shown as they are, without the arithmetic behind them."""
    names = [e.place[1] for e in entries if e.reading is None and any(is_not_shown(e, name) for name in quantities)]
    text = f"The arithmetic of these is not shown, only their counts: {', '.join(dict.fromkeys(names))}."
    return [Paragraph(text)] if names else []


def is_not_shown(entry: Entry, quantity: Quantity) -> bool:
    """Return whether an entry's amount of a quantity stands there without any arithmetic."""
    if entry.reading is not None or entry.amounts.get(quantity, 0) == 0:
        return False
    terms = entry.terms.get(quantity)
    return not terms or not all(term.is_worked_out for term in terms)
