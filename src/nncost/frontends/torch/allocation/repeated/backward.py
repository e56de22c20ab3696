"""The backward passes of blocks that are repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from nncost.frontends.torch.allocation.repeated.events import BlockEvents, UnlikeError, taken_in
from nncost.frontends.torch.allocation.repeated.followed import Followed, backward_of
from nncost.frontends.torch.allocation.repeated.passes import (
    HELD_ONCE,
    Backward,
    Forward,
    Incoming,
    MadeTensor,
    Numbering,
    holders_of,
    incoming_gradient,
    layout_made,
)
from nncost.frontends.torch.allocation.repeated.rows import Row
from nncost.frontends.torch.allocation.repeated.tracked import Tracked, Workshop
from nncost.frontends.torch.allocation.storages import OUTSIDE, storage_of
from nncost.frontends.torch.step.leaves import AutogradGraph, Contribution, Edge, contributors
from nncost.frontends.torch.step.signals import NotEqual

_PAIR = 2


@dataclass(slots=True, eq=False)
class Repeated:
    """One block that is repeated, and the memory that it holds for its backward pass.

    ``own`` are the numbers of what its forward pass takes, ``roles`` those of its inputs.
    """

    row: Row
    place: int
    path: str
    forward: Forward
    own: Sequence[int]
    roles: Sequence[int]
    held: dict[int, Any] = field(default_factory=dict)
    incoming: dict[int, Incoming] = field(default_factory=dict)
    node: Any = None

    @property
    def layer(self) -> nn.Module:
        """The block."""
        return self.row.calls[self.place][0]

    def hold(self, tensors: Sequence[torch.Tensor], known: Sequence[Any]) -> None:
        """Hold the memory of those tensors that the block holds; ``known`` tell their codes."""
        for tensor, found in zip(tensors, known, strict=True):
            if found.code in self.forward.held:
                self.held[found.code] = storage_of(tensor)

    def comes_in(self, output: int, gradient: torch.Tensor | None, number: Numbering) -> None:
        """Note an output's gradient, if it has one."""
        if gradient is not None:
            self.incoming[output] = incoming_gradient(gradient, number(storage_of(gradient)))

    def edges(self) -> list[Edge]:
        """Which gradients the block computes, by the places of its inputs."""
        return list(self.node.next_functions[1:])

    def check_edges(self, found: Mapping[Edge, Sequence[Contribution]]) -> None:
        """Raise UnlikeError if gradients are added to the block's, or it to others', in another way than in the example."""
        number = self.node._sequence_nr()
        example = self.row.followed[self.row.example]
        for place, edge in enumerate(self.edges()):
            others = [c.number for c in found[edge] if c.number != number] if edge[0] is not None else []
            is_added, is_used_before = any(n > number for n in others), any(n < number for n in others)
            if is_added != (place in example.added) or (is_used_before and (is_added or place not in example.single)):
                raise UnlikeError("an input that is used elsewhere")


@dataclass(slots=True, eq=False)
class _Addition:
    """A sum of gradients that autograd is about to make: the tensor, and the code of what it adds to.

    The first ``given`` of the codes below zero have their numbers already.
    """

    total: MadeTensor
    code: int | None
    numbers: list[int]
    given: int


class RepeatedBackward:
    """The backward passes of one step's rows.

    ``gradients`` are the numbers of parameters' gradients that were not made, as no optimizer follows; ``is_refused``:
    some block was not like the others.
    """

    def __init__(self, tracked: Tracked, workshop: Workshop, rows: Sequence[Row], *, updates: bool) -> None:
        self.gradients: list[int] = []
        self.is_refused = False
        self._tracked, self._workshop, self._rows, self._updates = tracked, workshop, rows, updates
        self._open: dict[Repeated, None] = {}
        self._additions: dict[int, _Addition] = {}
        self._lasting: set[int] = set()
        self._end = 0
        self._has_begun = False

    # ---------------------------------------------------------------- the graph
    def expect(self, repeated: Repeated, node: Any) -> None:
        """A block's backward pass will be repeated."""
        repeated.node = node
        self._open[repeated] = None

    def begins(self, graph: AutogradGraph) -> None:
        """The graph is known. Raise UnlikeError if gradients are added up in another way than in the examples."""
        self._has_begun = True
        blocks = [followed for row in self._rows for followed in row.followed.values()]
        edges = {edge for followed in blocks for edge in (*followed.inputs.values(), *followed.outputs.values())}
        edges.update(edge for repeated in self._open for edge in repeated.edges())
        found = contributors(graph.nodes, edges)
        for followed in blocks:
            followed.hook_nodes(found, self._tracked.storages.number)
        for repeated in self._open:
            repeated.check_edges(found)
        self.graph_dropped()

    def graph_dropped(self) -> None:
        """Let go of the nodes."""
        for repeated in self._open:
            repeated.node = None
        for row in self._rows:
            for followed in row.followed.values():
                followed.inputs.clear()
                followed.outputs.clear()

    def ended(self) -> None:
        """Raise UnlikeError unless each block that was repeated had its backward pass, and those that ran did the same."""
        if self._open or self.is_refused:
            raise UnlikeError("a block without a backward pass")
        self._check_additions()
        for row in self._rows:
            if row.backward is None or row.forward is None:
                continue
            first = self._pass_of(row.followed[row.check], row.forward)
            if not row.backward.is_like(first, row.forward.held):
                raise UnlikeError("another backward pass")

    # ---------------------------------------------------------------- one block
    def repeat(self, repeated: Repeated, gradients: Sequence[torch.Tensor | None]) -> list[Any]:
        """A block's backward pass: the gradients of its inputs; its parameters have theirs. Raise NotEqual if it differs."""
        self._tracked.enter_node()
        try:
            self._check_begun()
            self._check_additions()
            backward = repeated.row.backward or self._take_example(repeated.row, repeated.forward)
            return self._repeat(repeated, backward, gradients)
        except (UnlikeError, KeyError) as error:
            self.is_refused = True
            raise NotEqual(repeated.layer) from error

    def _check_begun(self) -> None:
        if not self._has_begun:
            raise UnlikeError("a backward pass of the model's own")

    def _take_example(self, row: Row, forward: Forward) -> Backward:
        """The backward pass of the example, which has run."""
        followed, storages = row.followed[row.example], self._tracked.storages
        backward = self._pass_of(followed, forward)
        alive = storages.alive()
        backward.check_held(forward, {code for number, code in followed.numbers.items() if number in alive})
        first = min(taken_in(self._events_of(followed)), default=0) - len(forward.makers)
        row.sums = [storages.watch_of(first + after) for _, after in backward.sums]
        if None in row.sums:
            raise UnlikeError("a sum that has ended")
        row.backward, row.parts, row.freed_incoming = (
            backward,
            backward.parts(forward),
            backward.freed_incoming(forward),
        )
        return backward

    def _repeat(self, repeated: Repeated, backward: Backward, gradients: Sequence[Any]) -> list[Any]:
        tracked, storages, row = self._tracked, self._tracked.storages, repeated.row
        if [repeated.incoming.get(place) for place in range(len(gradients))] != backward.incoming:
            raise UnlikeError("other gradients")
        first = storages.count
        storages.count += len(backward.makers)
        tracked.makers += backward.makers
        coming = {storages.number(found): found for found in (storage_of(g) for g in gradients if g is not None)}
        roles = [*repeated.roles, *self._roles_of(gradients, row)]
        given = len(roles)
        roles += [OUTSIDE] * (backward.roles - given)  # what is added to: known when it is
        numbers = [*repeated.own, *range(first, storages.count), *reversed(roles)]
        for code, is_freed in row.freed_incoming:
            if is_freed:
                storages.outside(coming[numbers[code]])
            else:
                self._lasting.add(numbers[code])
        self._note(repeated, numbers)
        for watch, (_, after) in zip(row.sums, backward.sums, strict=True):
            watch.number = numbers[after]
        del self._open[repeated]
        self._train(repeated.layer, backward.trained, numbers)
        found = [
            None if gradient is None or place in backward.added else self._workshop.gradient(gradient, numbers)
            for place, gradient in enumerate(backward.gradients)
        ]
        for place, begun in backward.added.items():
            found[place] = self._expect_addition(_Addition(backward.gradients[place], begun, numbers, given))
        return found

    def _roles_of(self, gradients: Sequence[Any], row: Row) -> list[int]:
        """The numbers of the gradients that come in, and of the sums of shared parameters' gradients."""
        number = self._tracked.storages.number
        found = [number(storage_of(gradient)) for gradient in gradients if gradient is not None]
        roles = [*(n for n in found if n != OUTSIDE), *(watch.number for watch in row.sums)]
        known = [role for role in roles if role is not None]
        if len(set(known)) != len(roles):
            raise UnlikeError("two gradients in one memory")
        return known

    def _note(self, repeated: Repeated, numbers: Sequence[int]) -> None:
        """Note a backward pass's events, and let go of what the block holds where it would."""
        events = self._tracked.events
        for part, released in repeated.row.parts:
            if part:
                events.append(BlockEvents(part, numbers, repeated.path))
            if released is not None:
                del repeated.held[released]
        self._end = len(events)
        repeated.held.clear()
        if len(events) != self._end:
            raise UnlikeError("memory that only the block held")

    def _train(self, layer: nn.Module, trained: Mapping[str, MadeTensor], numbers: Sequence[int]) -> None:
        if not self._updates:
            self.gradients += [numbers[gradient.code] for gradient in trained.values()]
            return
        for name, gradient in trained.items():
            layer.get_parameter(name).grad = self._workshop.gradient(gradient, numbers)

    # ---------------------------------------------------------------- sums
    def _expect_addition(self, addition: _Addition) -> torch.Tensor:
        """A gradient that autograd will add to what others have computed, which makes the sum that the events have."""
        made = self._workshop.unnoted(addition.total)
        self._additions[storage_of(made)._cdata] = addition
        return made

    def added(self, args: Sequence[Any]) -> torch.Tensor | None:
        """The sum of two gradients whose events are known; None for any other addition. Raise UnlikeError if it differs."""
        if not self._additions or len(args) < _PAIR:
            return None
        addition = self._additions.pop(storage_of(args[1])._cdata, None)
        if addition is None:
            return None
        storage = storage_of(args[0])
        number = self._tracked.storages.number(storage)
        outside = number is None or number == OUTSIDE
        if addition.code is None:
            self._lasting |= set() if number is None or outside else {number}
        elif addition.code >= -addition.given:
            if not outside:
                raise UnlikeError("another gradient that is added to")
        elif number is None or outside or holders_of(args[0]) != HELD_ONCE:
            raise UnlikeError("a gradient that another holds")
        else:
            addition.numbers[addition.code] = number
            self._tracked.storages.outside(storage)
        return self._workshop.gradient(addition.total, addition.numbers)

    def _check_additions(self) -> None:
        """Raise UnlikeError if something that was to be added was not, or what was to last ended with the last block."""
        if self._additions:
            raise UnlikeError("a gradient that was not added")
        for event in self._tracked.events[self._end :]:
            if not isinstance(event, int):
                break
            if event in self._lasting:
                raise UnlikeError("a gradient that ends here")
        self._lasting.clear()

    # ---------------------------------------------------------------- blocks that ran
    def _pass_of(self, followed: Followed, forward: Forward) -> Backward:
        number = self._tracked.storages.number
        trained: dict[str, MadeTensor] = {}
        for name, parameter in followed.layer.named_parameters():
            gradient = parameter.grad
            if gradient is not None and not followed.is_shared:
                found = number(storage_of(gradient))
                code = OUTSIDE if found is None else found
                trained[name] = MadeTensor(layout_made(gradient), False, gradient._is_view(), code)
        return backward_of(followed, forward, self._events_of(followed), self._tracked.makers, trained)

    def _events_of(self, followed: Followed) -> list[Any]:
        """The events of the autograd nodes that a block made. Raise UnlikeError if others are among them."""
        low, high = followed.nodes
        segments = self._tracked.segments
        own = [place for place, (_, node) in enumerate(segments) if low <= node < high]
        if not own or own != list(range(own[0], own[-1] + 1)):
            raise UnlikeError("nodes of others between those of the block")
        end = segments[own[-1] + 1][0] if own[-1] + 1 < len(segments) else len(self._tracked.events)
        return self._tracked.events[segments[own[0]][0] : end]
