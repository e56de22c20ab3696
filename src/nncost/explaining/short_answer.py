"""The short answer: two or three sentences to take home, before the work is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nncost.counting.quantities import PRIMITIVE
from nncost.dims import Dim, add_all, is_largest, is_symbolic, parts_of, shape_text, tidy
from nncost.explaining.context import Context
from nncost.explaining.topics import MEMORY, NEURONS, PARAMETERS, RUN, SHAPES, STEP, TIME, Topic
from nncost.explaining.words import listed, some
from nncost.ir.library.activations import ACTIVATIONS
from nncost.ir.training.losses import NO_LOSS
from nncost.ir.training.optimizers import NO_OPTIMIZER
from nncost.notation.written import tidied, written
from nncost.units import bytes_text, ratio

FEW_LAYERS = 8
"""Up to this many layers are listed one by one."""
_MANY = 100_000
"""Bytes from which on a size is also given in a larger unit."""


def short_answer(context: Context, topics: Sequence[Topic]) -> str:
    """Return the answer to what was asked; to everything if several topics were."""
    heads = list(dict.fromkeys(topic.head for topic in topics))
    if len(heads) == 1 and heads[0] in _ANSWERS:
        return _ANSWERS[heads[0]](context) if topics[0].quantity is None else _one_quantity(context, topics[0])
    quantity = topics[0].quantity
    if quantity is not None:
        return _in_all_phases(context, quantity)
    parts = [_parameters(context), _forward(context)]
    parts += [_derivatives(context)] if context.counted.loss != NO_LOSS else []
    return " ".join(parts)


def widths(context: Context) -> list[tuple[Dim, Dim]]:
    """Return inputs and neurons of each layer of a network of dense layers; nothing for any other network."""
    sizes: list[tuple[Dim, Dim]] = []
    for entry in context.accounts.of("forward"):
        card = None if entry.reading is None else entry.reading.card
        if card is not None and card.title.startswith("dense layer") and entry.times == 1 and not entry.family:
            assert entry.reading is not None
            narrow, wide = entry.reading.values[-2:]
            sizes.append((narrow, wide))
        elif card is None or card.title not in (*ACTIVATIONS, "softmax"):
            return []
    return sizes


# ------------------------------------------------------------------- one phase or topic
def _parameters(context: Context) -> str:
    counts = context.report.parameters
    kinds = ((counts.weights, "weight"), (counts.biases, "bias"), (counts.other, "other learned number"))
    parts = [_number(amount, name) for amount, name in kinds if amount != 0]
    if not parts:
        return "Nothing here is learned: there are no parameters."
    total = _number(counts.total, "parameter")
    return f"{total}: {listed(parts)}." if len(parts) > 1 else f"{total}, all of them {_plural(kinds, counts.total)}."


def _plural(kinds: Sequence[tuple[Dim, str]], total: Dim) -> str:
    name = next(name for amount, name in kinds if amount == total)
    return _number(2, name).removeprefix("2 ")


def _number(amount: Dim, name: str) -> str:
    """``1 weight``, ``16 biases``."""
    text = tidied(amount).text
    if amount == 1:
        return f"{text} {name}"
    return f"{text} {name}es" if name.endswith("s") else f"{text} {name}s"


def _forward(context: Context) -> str:
    forward, pairs = context.report.forward, widths(context)
    batch = context.counted.model.batch
    examples = "one example" if batch == 1 else f"{tidied(batch).text} examples"
    mul, add = forward["mul"], forward["add"]
    text = f"The forward pass of {examples} takes {some(mul, 'mul')} and {some(add, 'add')}"
    text += f", {tidied(mul + add).text} operations together"
    text += f", and {some(forward['activations'], 'activations')}." if forward["activations"] != 0 else "."
    return f"{text}{_per_pair(pairs, batch)}"


def _per_pair(pairs: Sequence[tuple[Dim, Dim]], batch: Dim) -> str:
    """What each pair of neighbouring layers contributes: the products of its weights."""
    if not 1 < len(pairs) <= FEW_LAYERS or batch != 1:
        return ""
    products = [narrow * wide for narrow, wide in pairs]
    total, first = tidied(add_all(products)).text, tidied(products[0]).text
    if all(product == products[0] for product in products):
        return (
            f" That is {first} multiplications per pair of neighbouring layers, and there are {len(pairs)} pairs: "
            f"{len(pairs)} × {first} = {total}; {tidied(2 * add_all(products)).text} counts the additions, too."
        )
    each = " + ".join(tidied(product).text for product in products)
    return f" Per pair of neighbouring layers that is {each} = {total} multiplications."


def _derivatives(context: Context) -> str:
    back = context.report.backward
    return (
        f"The backward pass takes {some(back['mul'], 'mul')} and {some(back['add'], 'add')}, for "
        f"{some(back['derivatives'], 'derivatives')}: one per trained parameter."
    )


def _backward(context: Context) -> str:
    text, back = _derivatives(context), context.report.backward
    forward = context.report.forward["mul"]
    if is_symbolic(forward) or is_symbolic(back["mul"]) or forward == 0:
        return text
    return f"{text} Its multiplications are {ratio(int(back['mul']), int(forward))} times those of the forward pass."


def _loss(context: Context) -> str:
    counts = _operations(context.report.loss)
    return f"The loss {context.counted.loss}, with its gradient at the output, takes {counts or 'nothing'}."


def _update(context: Context) -> str:
    trained = tidied(context.report.backward["derivatives"]).text
    counts = _operations(context.report.update)
    return f"The optimizer {context.counted.optimizer} changes {trained} parameters; that takes {counts or 'nothing'}."


def _step(context: Context) -> str:
    step = context.report.step
    return f"One step takes {_operations(step) or 'nothing'}: {some(step['flops'], 'flops')}."


def _run(context: Context) -> str:
    run = context.report.run
    assert run is not None
    totals = run.totals["step"]
    steps = f"{tidied(run.steps).text} step{'' if run.steps == 1 else 's'}"
    return f"The run has {steps} and takes {some(totals['mul'], 'mul')} and {some(totals['add'], 'add')}."


def _memory(context: Context) -> str:
    memory, training = context.report.memory, context.counted.loss != NO_LOSS
    peak = memory.step_peak if training else memory.forward_peak
    if memory.resident is None or peak is None:
        return "How much memory a step takes at its peak is not known here."
    what = "step" if training else "forward pass"
    if is_largest(peak):
        return f"How much a {what} holds at most depends on the symbols: the largest of {len(parts_of(peak))} formulas."
    text = f"A {what} holds at most {_bytes(peak)}"
    if not is_symbolic(peak) and not is_symbolic(memory.resident):
        text += f": {_bytes(memory.resident)} that are there before it, and {_bytes(peak - memory.resident)} on top"
    return f"{text}."


def _bytes(amount: Dim) -> str:
    if is_symbolic(amount):
        return f"{tidied(amount).text} bytes"
    larger = f" ({bytes_text(amount)})" if amount >= _MANY else ""
    return f"{_number(amount, 'byte')}{larger}"


def _shapes(context: Context) -> str:
    inputs = next(iter(context.report.source.inputs.values()), ())
    *_, last = (inputs, *context.report.outputs.values())
    return f"An input of {shape_text(inputs)} becomes an output of {shape_text(last)}."


def _neurons(context: Context) -> str:
    pairs = widths(context)
    each = " + ".join(written(wide).text for _, wide in pairs) if 1 < len(pairs) <= FEW_LAYERS else ""
    return f"{_number(context.report.neurons, 'neuron')} for one example{f': {each}' if each else ''}."


def _operations(totals: Mapping[str, Dim]) -> str:
    """Every operation there is, in words."""
    return listed([some(totals[name], name) for name in PRIMITIVE if totals[name] != 0])


_ANSWERS: Mapping[str, Callable[[Context], str]] = {
    PARAMETERS: _parameters, "forward": _forward, "loss": _loss, "backward": _backward, "update": _update, STEP: _step,
    RUN: _run, SHAPES: _shapes, MEMORY: _memory, NEURONS: _neurons,
}  # fmt: skip


# ------------------------------------------------------------------- one quantity
_PHASES = {
    "forward": "the forward pass", "loss": "the loss", "backward": "the backward pass", "update": "the update",
    STEP: "one whole step", RUN: "the whole run",
}  # fmt: skip


def _one_quantity(context: Context, topic: Topic) -> str:
    """The number in words."""
    assert topic.quantity is not None
    if topic.head == MEMORY:
        return _memory(context)
    if topic.head == PARAMETERS:
        return _parameters(context)
    amount = tidy(context.report.quantity(topic.path))
    return f"{some(amount, topic.quantity)} in {_PHASES[topic.head]}."


def _in_all_phases(context: Context, quantity: str) -> str:
    """The number of each phase, and their sum."""
    totals = context.report.totals
    parts = [
        f"{tidied(totals[phase][quantity]).text} in {name}"
        for phase, name in _PHASES.items()
        if phase in totals and phase != STEP and totals[phase][quantity] != 0
    ]
    whole = some(totals[STEP][quantity], quantity)
    return f"{whole}: {listed(parts)}." if len(parts) > 1 else f"{whole}."


def has_answer(context: Context, topics: Sequence[Topic]) -> bool:
    """Return whether the topics have a short answer of their own: not the time, and no phase that is not there."""
    missing = ("loss", "backward", "update") if context.counted.loss == NO_LOSS else ()
    return all(topic.head != TIME and (topic.head not in missing or len(topics) > 1) for topic in topics)


def is_empty(context: Context, topic: Topic) -> bool:
    """Return whether one of several phases has nothing of the quantity to explain."""
    if topic.quantity is None or topic.head == STEP:
        return False
    if topic.head == "update" and context.counted.optimizer == NO_OPTIMIZER:
        return True
    return context.report.totals[topic.head][topic.quantity] == 0
