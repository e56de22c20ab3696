"""The steps of a card's layer in its letters: forward, and backward for all of its gradients.

A loop's way back through time is not written out: its values come from every step of the way there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

from nncost.explaining.cards.card import Card
from nncost.explaining.derivation import Traced, constant_tensors, letters_of, trace
from nncost.explaining.steps import STATES, Step, Writer
from nncost.ir import ops
from nncost.ir.autodiff import differentiate
from nncost.ir.builder import Builder
from nncost.ir.graph import Item, Node, Region, Tensor, walk
from nncost.ir.layers import Loss
from nncost.notation.written import written

_NAMES = "tuwqr"
"""Letters for the results of steps; the first that means nothing else on the card is taken."""
GRADIENT = "∂L/∂"


@cache
def steps_of(card: Card) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """Return the steps forward and backward, which sum up to what the card's layer costs; none for a loop's way back."""
    traced = trace(card)
    backward, gradients = _backward(traced)
    fixed = [i for i in traced.builder.items if isinstance(i, Node) and isinstance(i.op, ops.Constant)]
    forward: list[Item] = [*fixed, traced.region]
    own = _output_name(card)
    outputs = {tensor: own if place == 0 else f"y{place + 1}" for place, tensor in enumerate(traced.region.outputs)}
    labels = {gradient: label for label, gradient in gradients.items()}
    outside = {i for i in backward if not (isinstance(i, Region) and i.layer == traced.region.layer)}
    writer = Writer(
        _given_names(traced),
        outputs | _loss_names(traced) | labels,
        constant_tensors([*traced.builder.items, *backward]),
        letter=_letter(card),
        states=STATES,
        size=lambda dim: written(dim, letters_of(card)),
        uncounted=set(walk([*outside])),
    )
    made = {tensor for node in walk(backward) for tensor in node.outputs}
    read = [tensor for node in walk(backward) for tensor in node.inputs if tensor not in made]
    return writer.write(forward, read), writer.write(backward)


def _backward(traced: Traced) -> tuple[Sequence[Item], Mapping[str, Tensor]]:
    """The items of the backward pass, and the gradient of each labelled tensor; nothing for what has no gradient."""
    if not traced.labelled or any(isinstance(node.op, ops.Repeat) for node in walk([traced.region])):
        return [], {}
    b = Builder(training=True, phase="backward")
    output = traced.region.outputs[0]
    seed = b.input(output.shape, name="g")
    wanted = dict.fromkeys(traced.labelled.values(), "layer")
    gradients, _ = differentiate(b, [traced.region], [(output, seed)], wanted)
    return b.items, {label: gradients[t] for label, t in traced.labelled.items() if t in gradients}


def _given_names(traced: Traced) -> dict[Tensor, str]:
    """The tensors that the layer is given: by their gradients, their own names, or x."""
    names = {tensor: label.removeprefix(GRADIENT) for label, tensor in traced.labelled.items()}
    for parameter in traced.builder.parameters:
        names.setdefault(parameter.tensor, parameter.tensor.name.replace("_", " "))
    for tensor in traced.builder.inputs:
        names.setdefault(tensor, {"target": "t", "": "x"}.get(tensor.name, tensor.name))
    if isinstance(traced.region.layer, Loss):
        names[traced.region.inputs[0]] = _compared(traced)[0]
    return names


def _compared(traced: Traced) -> tuple[str, str]:
    """What a loss compares with its target, and what its gradient is of: outputs, logits, or their probabilities."""
    if traced.region.layer.name != "cross_entropy":
        return "y", "y"
    return ("p", "z") if isinstance(traced.builder.items[0], Region) else ("z", "z")


def _loss_names(traced: Traced) -> dict[Tensor, str]:
    """The value of a loss, and its gradient: the last result, which nothing else reads."""
    region = traced.region
    if not isinstance(region.layer, Loss):
        return {effect: f"{name}′" for effect, name in zip(region.effects, ("mean", "variance"), strict=False)}
    return {region.outputs[0]: "L", list(walk([region]))[-1].outputs[0]: GRADIENT + _compared(traced)[1]}


def _output_name(card: Card) -> str:
    """What the equation of the card calls the output, if it has one equation only."""
    found = re.match(r"([A-Za-z])(_\w+)? = ", card.equations[0].text) if len(card.equations) == 1 else None
    return found[1] if found else "y"


def _letter(card: Card) -> str:
    """A letter that neither the equations nor the sizes of the card use."""
    used = " ".join([*(maths.text for maths in (*card.equations, *card.gradients)), *card.letters])
    return next((x for x in _NAMES if not re.search(rf"(?<![a-z]){x}(?![a-z])", used)), "k")
