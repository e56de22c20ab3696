"""A block that runs in full, followed until its backward pass is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import get_gradient_edge

from nncost.frontends.torch.allocation.inplace_rules import Maker
from nncost.frontends.torch.allocation.memory_call import CallEvent
from nncost.frontends.torch.allocation.repeated.events import UnlikeError, relative_to, taken_in
from nncost.frontends.torch.allocation.repeated.passes import (
    Backward,
    Forward,
    Incoming,
    MadeTensor,
    Numbering,
    incoming_gradient,
    layout_made,
)
from nncost.frontends.torch.allocation.storages import OUTSIDE, storage_of
from nncost.frontends.torch.step.leaves import Contribution, Edge

_OTHER = -1
"""The number of an autograd node that is none of those that look at what it made."""
_UNKNOWN = -2
"""The number of memory that nobody has met."""


@dataclass(slots=True, eq=False)
class Followed:
    """A block that runs in full, on its way: what is noted of it until its backward pass is known.

    ``is_shared``: other calls have the same parameters. ``numbers`` are the codes of the memory that it knows,
    ``nodes`` the range of its autograd nodes; ``inputs`` and ``outputs`` say by place which gradients are meant.
    """

    layer: nn.Module
    path: str
    is_shared: bool
    numbers: dict[int, int]
    nodes: tuple[int, int]
    inputs: dict[int, Edge] = field(default_factory=dict)
    outputs: dict[int, Edge] = field(default_factory=dict)
    single: set[int] = field(default_factory=set)
    added: set[int] = field(default_factory=set)
    by_node: set[tuple[str, int]] = field(default_factory=set)
    incoming: dict[int, tuple[int, Incoming]] = field(default_factory=dict)
    outgoing: dict[int, tuple[int, MadeTensor]] = field(default_factory=dict)

    # ---------------------------------------------------------------- gradients
    def hook(self, number: Numbering, inputs: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor]) -> None:
        """Have the gradients noted that come into the block, and those that it hands out, once they are complete."""
        for place, tensor in enumerate(outputs):
            if tensor.requires_grad:
                self.outputs[place] = _edge(tensor)
                tensor.register_hook(lambda g, place=place: self._note("in", place, g, number))
        for place, tensor in enumerate(inputs):
            if tensor.requires_grad:
                self.inputs[place] = _edge(tensor)
                tensor.register_hook(lambda g, place=place: self._note("out", place, g, number))

    def hook_nodes(self, found: Mapping[Edge, Sequence[Contribution]], number: Numbering) -> None:
        """Have those gradients noted as a node computes them that others are added to, inside the block or before it."""
        low, high = self.nodes
        for place, edge in self.outputs.items():
            after = [c for c in found[edge] if c.number >= high]
            if len(after) < len(found[edge]):
                self._hook_node("in", place, after, number)
            if any(c.number < low for c in found[edge]):
                raise UnlikeError("an output that was there before")
        for place, edge in self.inputs.items():
            inside = [c for c in found[edge] if low <= c.number < high]
            if len(inside) == 1:
                self.single.add(place)
            if any(c.number >= high for c in found[edge]):
                self.added.add(place)
            if any(c.number < low for c in found[edge]):
                if place in self.added:
                    raise UnlikeError("an input that is used before and after")
                self._hook_node("out", place, inside, number)

    def _hook_node(self, way: str, place: int, contributions: Sequence[Contribution], number: Numbering) -> None:
        self.by_node.add((way, place))
        if len(contributions) > 1:
            raise UnlikeError("a sum of gradients")
        for contribution in contributions:

            def note(results: Any, given: Any, position: int = contribution.position) -> None:
                if results[position] is not None:
                    self._note(way, place, results[position], number, by_node=True)

            contribution.node.register_hook(note)

    def _note(self, way: str, place: int, gradient: torch.Tensor, number: Numbering, *, by_node: bool = False) -> None:
        if ((way, place) in self.by_node) != by_node:
            return
        taken = number(storage_of(gradient))
        taken = _UNKNOWN if taken is None else taken
        if way == "in":
            self.incoming[place] = (taken, incoming_gradient(gradient, taken))
        else:
            self.outgoing[place] = (taken, MadeTensor(layout_made(gradient), False, gradient._is_view(), 0))


def _edge(tensor: torch.Tensor) -> Edge:
    edge = get_gradient_edge(tensor)
    return edge.node, edge.output_nr


def backward_of(
    followed: Followed,
    forward: Forward,
    events: Sequence[Any],
    makers: Sequence[Maker],
    trained: Mapping[str, MadeTensor],
) -> Backward:
    """A block's backward pass from its events. Raise UnlikeError for one that no other block could repeat."""
    taken = taken_in(events)
    first = min(taken, default=0)
    if sorted(taken) != list(range(first, first + len(taken))):
        raise UnlikeError("memory between that of the block")
    numbers, freed = dict(followed.numbers), {event for event in events if isinstance(event, int)}
    known = len(forward.makers)
    numbers.update({number: known + place for place, number in enumerate(range(first, first + len(taken)))})
    incoming: list[Incoming | None] = [None] * len(forward.made)
    roles = sum(code < 0 for code in followed.numbers.values())
    for place, (number, gradient) in sorted(followed.incoming.items()):
        incoming[place] = gradient
        if number != OUTSIDE:
            roles += 1
            if numbers.setdefault(number, -roles) != -roles:
                raise UnlikeError("two gradients in one memory")
    sums: list[tuple[int, int]] = []
    handed_on = {number for number, _ in followed.outgoing.values()} | freed
    for before, after in _sums_in(events).items() if followed.is_shared else ():
        if before in freed and before not in numbers and after in taken and after not in handed_on:
            roles += 1
            numbers[before] = -roles
            sums.append((-roles, numbers[after]))
    added: dict[int, int | None] = {}
    for place in sorted(followed.added & followed.outgoing.keys()):
        begun = _begun_with(followed.outgoing[place][0], events, taken)
        if begun is not None and begun not in numbers:
            roles += 1
            numbers[begun] = -roles
        added[place] = None if begun is None else numbers[begun]
    gradients: list[Any] = []
    for place in range(len(forward.inputs)):
        handed_out = followed.outgoing.get(place)
        gradients.append(None if handed_out is None else _with_code(handed_out[1], numbers, handed_out[0]))
    parameters = {name: _with_code(gradient, numbers, gradient.code) for name, gradient in trained.items()}
    made_by = [makers[number] for number in range(first, first + len(taken))]
    return Backward(
        relative_to(followed.path, events, numbers), [m if m.node is None else Maker(_OTHER, m.operator) for m in made_by],
        incoming, gradients, parameters, sums, added, roles,
    )  # fmt: skip


def _begun_with(total: int, events: Sequence[Any], taken: Sequence[int]) -> int | None:
    """The memory of others that a sum was begun with; None where that does not end with the sum."""
    before = {after: number for number, after in _sums_in(events).items()}
    freed, own = {event for event in events if isinstance(event, int)}, set(taken)
    number: int | None = total
    while number in own:
        number = before.get(number)
    return number if number in freed else None


def _sums_in(events: Sequence[Any]) -> dict[int, int]:
    """The memory that calls may add to, and the number of the sum."""
    return {
        event.reusable_input: event.allocated[0]
        for event in events
        if isinstance(event, CallEvent) and event.reusable_input is not None and event.allocated
    }


def _with_code(gradient: MadeTensor, numbers: Mapping[int, int], number: int) -> MadeTensor:
    code = numbers.get(number)
    if code is None or code < 0:
        raise UnlikeError("a gradient that is not the block's own")
    return MadeTensor(gradient.layout, False, gradient.is_view, code)
