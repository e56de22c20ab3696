"""Memory of equal blocks: followed at both ends of a row of them, and repeated in between.

Which blocks are equal is known from the trace. Of each row the first runs in full, and the last; with a backward
pass the last but one too, whose gradients come from an equal block as those of the others do. In between, one
autograd function takes a block's place: it makes the outputs, holds what the block holds for its backward pass,
and notes the events of the blocks that ran, where they would have been noted.

All that ran in full must have done the same, and who holds a gradient must be as it was there. Otherwise UnlikeError
is raised, or NotEqual inside the model, and the step is followed operator by operator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from nncost.frontends.torch.allocation.block_events import BlockEvents, UnlikeError, relative_to, taken_in
from nncost.frontends.torch.allocation.followed_block import (
    HELD_ONCE,
    Backward,
    Followed,
    Forward,
    Incoming,
    MadeTensor,
    all_holders,
    backward_of,
    given_tensors,
    holders_of,
    incoming_gradient,
    layout_made,
    outputs_of_block,
    unique_tensors,
)
from nncost.frontends.torch.allocation.inplace_rules import Maker
from nncost.frontends.torch.allocation.storages import OUTSIDE, Storages, storage_of
from nncost.frontends.torch.step.fake_module import SwappedParameters
from nncost.frontends.torch.step.fake_tensors import FakeTensors
from nncost.frontends.torch.step.leaves import AutogradGraph, Contribution, Edge, contributors
from nncost.frontends.torch.step.signals import NotEqual
from nncost.frontends.torch.tracing.call_signature import flattened

Call = tuple[nn.Module, int]
"""A layer, and which of its calls is meant."""
_ALIAS = torch.ops.aten.alias.default


class Tracked(Protocol):
    """What the tracker of a step tells its blocks."""

    events: list[Any]
    storages: Storages
    makers: list[Maker]
    segments: list[tuple[int, int]]
    swapped: SwappedParameters
    fast: FakeTensors | None

    def settled(self) -> bool:
        """Note what is still to be noted; whether all is."""

    def enter_node(self) -> None:
        """Note that events of another autograd node follow."""


@dataclass(slots=True, eq=False)
class Row:
    """Equal blocks in the order in which they run, or equal calls of one layer.

    ``full`` are the places of those that run in full: the backward pass of the one at ``example`` is repeated, that at
    ``check`` must be like it. ``sums`` know the gradients of shared parameters so far: the first to add to one may find
    a view, and make another tensor, the next add to that.
    """

    calls: Sequence[Call]
    full: set[int]
    is_shared: bool
    check: int
    example: int
    forward: Forward | None = None
    backward: Backward | None = None
    followed: dict[int, Followed] = field(default_factory=dict)
    parts: Sequence[tuple[list[Any], int | None]] = ()
    freed_incoming: Sequence[tuple[int, bool]] = ()
    sums: list[Any] = field(default_factory=list)
    next: int = 0

    def left_out(self) -> list[nn.Module]:
        """The layers that do not run at all."""
        return [layer for place, (layer, _) in enumerate(self.calls) if place not in self.full and not self.is_shared]


def repeated_rows(groups: Sequence[Sequence[Call]], *, trains: bool) -> list[Row]:
    """The rows in which blocks are left out."""
    rows: list[Row] = []
    for calls in groups:
        is_shared = len({layer for layer, _ in calls}) < len(calls)
        check = 1 if is_shared and trains else 0  # with the first call, gradients of shared parameters are complete
        example = len(calls) - (1 if not trains else 3 if is_shared else 2)
        full = {*range(check + 1), *range(example, len(calls))}
        if check < example and len(full) < len(calls):
            rows.append(Row(calls, full, is_shared, check, example))
    return rows


class RepeatedMemory:
    """The rows of one step. ``updates``: an optimizer follows, for which parameters have gradients."""

    def __init__(self, tracked: Tracked, rows: Sequence[Row], *, updates: bool) -> None:
        self.tracked, self._updates, self._rows = tracked, updates, rows
        self._places = {call: (row, place) for row in rows for place, call in enumerate(row.calls)}
        self._called = dict.fromkeys((layer for layer, _ in self._places), -1)
        assert tracked.fast is not None
        self.fast = tracked.fast
        self._anchor = self.fast.make((), (), torch.float32, requires_grad=True)
        self._open: dict[_Repeated, None] = {}
        self.gradients: list[int] = []
        self.is_refused = False
        self._additions: dict[int, _Addition] = {}
        self._lasting: set[int] = set()
        self._end = 0

    def __contains__(self, layer: object) -> bool:
        return layer in self._called

    # ---------------------------------------------------------------- forward
    def run_layer(self, layer: nn.Module, path: str, run: Callable[[], Any], args: Any, kwargs: Any) -> Any:
        """A block's forward, in full or repeated. Raise NotEqual if it cannot be repeated."""
        self._called[layer] += 1
        found = self._places.get((layer, self._called[layer]))
        if found is None:
            return run()
        row, place = found
        leaves, _ = flattened(args, kwargs)
        with torch._C.DisableTorchFunction():
            return self._run(row, place, path, run, leaves)

    def _run(self, row: Row, place: int, path: str, run: Callable[[], Any], leaves: list[Any]) -> Any:
        try:
            self._check_order(row, place)
            row.next += 1
            if place in row.full:
                return self._in_full(row, place, path, run, leaves)
            return self._repeated(row, place, path, leaves)
        except UnlikeError as error:
            self.is_refused = True  # also where the model goes on
            raise NotEqual(row.calls[place][0]) from error

    def _check_order(self, row: Row, place: int) -> None:
        if row.next != place or not self.tracked.settled():
            raise UnlikeError("another order")

    def _in_full(self, row: Row, place: int, path: str, run: Callable[[], Any], leaves: list[Any]) -> Any:
        tracked, storages = self.tracked, self.tracked.storages
        inputs = unique_tensors(leaves)
        given, roles = given_tensors(inputs, storages.number)
        before = all_holders(inputs)
        start, first, low = len(tracked.events), storages.count, torch.autograd._get_sequence_nr()
        with torch._C._EnableTorchFunction():
            result = run()
        if not tracked.settled():
            raise UnlikeError("a number that is saved later")
        high = torch.autograd._get_sequence_nr()
        numbers = {number: place for place, number in enumerate(range(first, storages.count))}
        numbers |= {number: -1 - place for place, number in enumerate(roles)}
        events = relative_to(path, tracked.events[start:], numbers)
        if any(isinstance(event, int) and event < 0 for event in events):
            raise UnlikeError("an input that is given back")
        outputs, structure = outputs_of_block(result, leaves, numbers, storages.number)
        after = all_holders(inputs)
        held = {
            g.code for g, one, other in zip(given, before, after, strict=True) if one != other and g.code is not None
        }
        made = [
            leaf
            for leaf, output in zip(tree_flatten(result)[0], outputs, strict=True)
            if isinstance(output, MadeTensor)
        ]
        if any(tensor.requires_grad for tensor in made):
            held |= {numbers[storages.number(storage_of(t))] for t in made if _is_held(t)}
        elif held:
            raise UnlikeError("an input that is kept")
        forward = Forward(events, tracked.makers[first:], given, outputs, structure, held)
        if not any(tensor.requires_grad for tensor in made) and forward.saved():
            raise UnlikeError("memory that is kept")
        if row.forward is None:
            row.forward = forward
        elif not row.forward.is_like(forward):
            raise UnlikeError("another forward pass")
        if place in (row.check, row.example) and any(tensor.requires_grad for tensor in made):
            row.followed[place] = Followed(row.calls[place][0], path, row.is_shared, numbers, (low, high))
            row.followed[place].hook(storages.number, inputs, made)
        return result

    def _repeated(self, row: Row, place: int, path: str, leaves: list[Any]) -> Any:
        tracked, forward = self.tracked, row.forward
        inputs = unique_tensors(leaves)
        given, roles = given_tensors(inputs, tracked.storages.number)
        if forward is None or given != forward.inputs:
            raise UnlikeError("other arguments")
        first = tracked.storages.count
        tracked.storages.count += len(forward.makers)
        tracked.makers += forward.makers
        numbers = [*range(first, tracked.storages.count), *reversed(roles)]
        if forward.events:
            tracked.events.append(BlockEvents(forward.events, numbers, path))
        outputs = [output for output in forward.outputs if isinstance(output, MadeTensor)]
        if any(output.requires_grad for output in outputs):
            made = self._differentiable(row, place, path, inputs, numbers)
        else:
            made = self.make_outputs(forward, numbers)
        rest = iter(made)
        result = [
            next(rest) if isinstance(o, MadeTensor) else leaves[o[0]] if type(o) is tuple else o
            for o in forward.outputs
        ]
        return tree_unflatten(result, forward.structure)

    def _differentiable(
        self, row: Row, place: int, path: str, inputs: list[torch.Tensor], numbers: list[int]
    ) -> list[torch.Tensor]:
        assert row.forward is not None
        layer = row.calls[place][0]
        if self._updates and not row.is_shared:
            self.tracked.swapped.swap_deferred(layer)
            for parameter in (*layer.parameters(), *layer.buffers()):
                self.tracked.storages.outside(storage_of(parameter))
        repeated = _Repeated(self, row, place, path, numbers)
        for tensor, given in zip(inputs, row.forward.inputs, strict=True):
            if given.code in row.forward.held:
                repeated.held[given.code] = storage_of(tensor)
        made = list(_BlockFunction.apply(self._anchor, repeated, *inputs))
        for output, tensor in enumerate(made):
            if tensor.requires_grad:
                tensor.register_hook(lambda gradient, output=output: repeated.comes_in(output, gradient))
        repeated.node = next(tensor.grad_fn for tensor in made if tensor.requires_grad)
        self._open[repeated] = None
        return made

    def make_outputs(self, forward: Forward, numbers: Sequence[int]) -> list[torch.Tensor]:
        """A block's outputs, with the numbers of their memory."""
        return [self._made(output, numbers) for output in forward.outputs if isinstance(output, MadeTensor)]

    def _made(self, tensor: MadeTensor, numbers: Sequence[int]) -> torch.Tensor:
        made = self.fast.make(*tensor.layout)
        self.tracked.storages.adopt(storage_of(made), numbers[tensor.code])
        return made

    def _gradient(self, tensor: MadeTensor, numbers: Sequence[int]) -> torch.Tensor:
        made = self._made(tensor, numbers)
        return _ALIAS(made) if tensor.is_view else made  # type: ignore[no-any-return]

    # ---------------------------------------------------------------- backward
    def backward_begins(self, graph: AutogradGraph) -> None:
        """The graph is known. Raise UnlikeError if gradients of a block's inputs come from elsewhere as well."""
        blocks = [followed for row in self._rows for followed in row.followed.values()]
        edges = {edge for followed in blocks for edge in (*followed.inputs.values(), *followed.outputs.values())}
        edges.update(edge for repeated in self._open for edge in repeated.edges())
        found = contributors(graph.nodes, edges)
        for followed in blocks:
            followed.hook_nodes(found, self.tracked.storages.number)
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

    def repeat_backward(self, repeated: _Repeated, gradients: Sequence[torch.Tensor | None]) -> list[Any]:
        """A block's backward pass: the gradients of its inputs; its parameters have theirs."""
        tracked, row = self.tracked, repeated.row
        tracked.enter_node()
        try:
            self._check_additions()
            if row.backward is None:
                self._take_example(row)
            return self._repeat_backward(repeated, row.backward, gradients)
        except (UnlikeError, KeyError) as error:
            self.is_refused = True
            raise NotEqual(repeated.row.calls[repeated.place][0]) from error

    def _take_example(self, row: Row) -> None:
        """The example's backward pass has run."""
        assert row.forward is not None
        followed, storages = row.followed[row.example], self.tracked.storages
        row.backward = self._backward(row, followed)
        row.parts, row.freed_incoming = row.backward.parts(row.forward), row.backward.freed_incoming(row.forward)
        alive = storages.alive()
        row.backward.check_held(row.forward, {code for number, code in followed.numbers.items() if number in alive})
        first = min(taken_in(self._events_of(followed)), default=0) - len(row.forward.makers)
        row.sums = [storages.watch_of(first + after) for _, after in row.backward.sums]
        if None in row.sums:
            raise UnlikeError("a sum that has ended")

    def _repeat_backward(self, repeated: _Repeated, backward: Backward, gradients: Sequence[Any]) -> list[Any]:
        tracked, storages = self.tracked, self.tracked.storages
        incoming = [repeated.incoming.get(place) for place in range(len(gradients))]
        if incoming != backward.incoming:
            raise UnlikeError("other gradients")
        first = storages.count
        storages.count += len(backward.makers)
        tracked.makers += backward.makers
        known = len(repeated.row.forward.makers) if repeated.row.forward is not None else 0
        found = [storage_of(gradient) for gradient in gradients if gradient is not None]
        roles = [number for number in map(storages.number, found) if number != OUTSIDE]
        coming = {storages.number(storage): storage for storage in found}
        roles += [watch.number for watch in repeated.row.sums]
        if None in roles or len(set(roles)) != len(roles):
            raise UnlikeError("two gradients in one memory")
        roles = [*reversed(repeated.numbers[known:]), *roles]
        given = len(roles)
        roles += [OUTSIDE] * (backward.roles - given)  # what is added to: known when it is
        numbers = [*repeated.numbers[:known], *range(first, storages.count), *reversed(roles)]
        for code, is_freed in repeated.row.freed_incoming:
            if is_freed:
                storages.outside(coming.pop(numbers[code]))
            else:
                self._lasting.add(numbers[code])
        for events, released in repeated.row.parts:
            if events:
                tracked.events.append(BlockEvents(events, numbers, repeated.path))
            if released is not None:
                repeated.held.pop(released)
        before = len(tracked.events)
        repeated.held.clear()
        if len(tracked.events) != before:
            raise UnlikeError("memory that only the block held")
        for watch, (_, after) in zip(repeated.row.sums, backward.sums, strict=True):
            watch.number = numbers[after]
        del self._open[repeated]
        self._end = len(tracked.events)
        self._train(repeated.row.calls[repeated.place][0], backward.trained, numbers)
        found = [
            None if gradient is None or place in backward.added else self._gradient(gradient, numbers)
            for place, gradient in enumerate(backward.gradients)
        ]
        for place, code in backward.added.items():
            found[place] = self._expect_addition(_Addition(backward.gradients[place], code, numbers, given))
        return found

    def _expect_addition(self, addition: _Addition) -> torch.Tensor:
        """A gradient that autograd will add to what others have computed, which makes the sum that the events have."""
        made = self.fast.make(*addition.total.layout)
        self.tracked.storages.outside(storage_of(made))
        self._additions[storage_of(made)._cdata] = addition
        return made

    def added(self, args: Sequence[Any]) -> torch.Tensor | None:
        """The sum of two gradients whose events are known; None for any other addition. Raise UnlikeError if it differs."""
        if not self._additions or len(args) < 2:
            return None
        addition = self._additions.pop(storage_of(args[1])._cdata, None)
        if addition is None:
            return None
        storage = storage_of(args[0])
        number = self.tracked.storages.number(storage)
        is_outside = number is None or number == OUTSIDE
        if addition.code is None:
            self._lasting |= set() if number is None or is_outside else {number}
        elif addition.code >= -addition.given:
            if not is_outside:
                raise UnlikeError("another gradient that is added to")
        elif is_outside or holders_of(args[0]) != HELD_ONCE:
            raise UnlikeError("a gradient that another holds")
        else:
            addition.numbers[addition.code] = number
            self.tracked.storages.outside(storage)
        return self._gradient(addition.total, addition.numbers)

    def _check_additions(self) -> None:
        """Raise UnlikeError if something that was to be added was not, or ended with the addition and should not have."""
        if self._additions:
            raise UnlikeError("a gradient that was not added")
        for event in self.tracked.events[self._end :]:
            if not isinstance(event, int):
                break
            if event in self._lasting:
                raise UnlikeError("a gradient that ends here")
        self._lasting.clear()

    def _train(self, layer: nn.Module, trained: Mapping[str, MadeTensor], numbers: Sequence[int]) -> None:
        if not self._updates:
            self.gradients += [numbers[gradient.code] for gradient in trained.values()]
            return
        for name, gradient in trained.items():
            layer.get_parameter(name).grad = self._gradient(gradient, numbers)

    def _backward(self, row: Row, followed: Followed) -> Backward:
        assert row.forward is not None
        trained = {
            name: MadeTensor(
                layout_made(p.grad), False, p.grad._is_view(), self.tracked.storages.number(storage_of(p.grad))
            )
            for name, p in followed.layer.named_parameters()
            if p.grad is not None and not row.is_shared
        }
        return backward_of(followed, row.forward, self._events_of(followed), self.tracked.makers, trained)

    def _events_of(self, followed: Followed) -> list[Any]:
        """The events of the autograd nodes that a block made. Raise UnlikeError if others are among them."""
        low, high = followed.nodes
        segments = self.tracked.segments
        own = [place for place, (_, node) in enumerate(segments) if low <= node < high]
        if not own or own != list(range(own[0], own[-1] + 1)):
            raise UnlikeError("nodes of others between those of the block")
        end = segments[own[-1] + 1][0] if own[-1] + 1 < len(segments) else len(self.tracked.events)
        return self.tracked.events[segments[own[0]][0] : end]

    def ended(self) -> None:
        """Raise UnlikeError unless each block that was repeated had its backward pass, and those that ran did the same."""
        if self._open or self.is_refused:
            raise UnlikeError("a block without a backward pass")
        self._check_additions()
        for row in self._rows:
            if row.backward is None or row.forward is None:
                continue
            first = self._backward(row, row.followed[row.check])
            if not row.backward.is_like(first, row.forward.held):
                raise UnlikeError("another backward pass")


@dataclass(slots=True, eq=False)
class _Repeated:
    """One block that is repeated, and the memory that it holds for its backward pass."""

    memory: RepeatedMemory
    row: Row
    place: int
    path: str
    numbers: list[int]
    held: dict[int, Any] = field(default_factory=dict)
    incoming: dict[int, Incoming] = field(default_factory=dict)
    node: Any = None

    def edges(self) -> list[Edge]:
        """Which gradients the block computes, by the places of its inputs."""
        return list(self.node.next_functions[1:])

    def check_edges(self, found: Mapping[Edge, Sequence[Contribution]]) -> None:
        """Raise UnlikeError if the block would add to gradients, or to several of its own one that comes later."""
        number = self.node._sequence_nr()
        example = self.row.followed[self.row.example]
        for place, edge in enumerate(self.edges()):
            others = [c.number for c in found[edge] if c.number != number] if edge[0] is not None else []
            is_added, is_used_before = any(n > number for n in others), any(n < number for n in others)
            if is_added != (place in example.added) or (is_used_before and (is_added or place not in example.single)):
                raise UnlikeError("an input that is used elsewhere")

    def comes_in(self, output: int, gradient: torch.Tensor | None) -> None:
        """Note an output's gradient, if it has one."""
        if gradient is not None:
            self.incoming[output] = incoming_gradient(
                gradient, self.memory.tracked.storages.number(storage_of(gradient))
            )


@dataclass(slots=True, eq=False)
class _Addition:
    """A sum of gradients that autograd is about to make: the tensor, and the number of what it adds to.

    The first ``given`` of the codes below zero have their numbers already.
    """

    total: MadeTensor
    code: int | None
    numbers: list[int]
    given: int


class _BlockFunction(torch.autograd.Function):
    """Takes a block's place in the autograd graph."""

    @staticmethod
    def forward(ctx: Any, anchor: torch.Tensor, repeated: _Repeated, *inputs: torch.Tensor) -> Any:
        ctx.set_materialize_grads(False)
        ctx.repeated = repeated
        forward = repeated.row.forward
        made = repeated.memory.make_outputs(forward, repeated.numbers)
        outputs = [output for output in forward.outputs if isinstance(output, MadeTensor)]
        for tensor, output in zip(made, outputs, strict=True):
            if output.code in forward.held:
                repeated.held[output.code] = storage_of(tensor)
        ctx.mark_non_differentiable(*(t for t, o in zip(made, outputs, strict=True) if not o.requires_grad))
        return tuple(made)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return (None, None, *ctx.repeated.memory.repeat_backward(ctx.repeated, gradients))


def _is_held(tensor: torch.Tensor) -> bool:
    """Whether a block's output, or what it is a view of, is held by something besides who gets it."""
    # A fake tensor's memory is held by it, by the tensor of the meta device that it has, and by its own object.
    if tensor._base is None:
        return holders_of(tensor) != (1, 3)
    return holders_of(tensor) != (1, 5) or holders_of(tensor._base)[0] != 2  # by its object and by the view
