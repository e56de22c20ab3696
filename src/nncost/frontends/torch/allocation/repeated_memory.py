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
from torch.autograd.graph import get_gradient_edge
from torch.utils._pytree import tree_flatten, tree_unflatten

from nncost.frontends.torch.allocation.block_events import BlockEvents, UnlikeError, relative_to, taken_in
from nncost.frontends.torch.allocation.followed_block import (
    Backward,
    Followed,
    Forward,
    Incoming,
    MadeTensor,
    all_holders,
    backward_of,
    given_tensors,
    holders_of,
    layout_made,
    outputs_of_block,
    unique_tensors,
)
from nncost.frontends.torch.allocation.inplace_rules import Maker
from nncost.frontends.torch.allocation.storages import OUTSIDE, Storages, storage_of
from nncost.frontends.torch.step.fake_module import SwappedParameters
from nncost.frontends.torch.step.fake_tensors import FakeTensors
from nncost.frontends.torch.step.leaves import AutogradGraph
from nncost.frontends.torch.step.signals import NotEqual

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
    """Equal blocks in the order in which they run."""

    layers: Sequence[nn.Module]
    full: set[nn.Module]
    forward: Forward | None = None
    backward: Backward | None = None
    followed: dict[nn.Module, Followed] = field(default_factory=dict)
    open: set[nn.Module] = field(default_factory=set)
    next: int = 0


def repeated_rows(groups: Sequence[Sequence[nn.Module]], *, trains: bool) -> list[Row]:
    """The rows in which blocks are left out."""
    ends = 2 if trains else 1
    return [Row(g, {g[0], *g[-ends:]}) for g in groups if len(g) > ends + 1]


class RepeatedMemory:
    """The rows of one step. ``updates``: an optimizer follows, for which parameters have gradients."""

    def __init__(self, tracked: Tracked, rows: Sequence[Row], *, updates: bool) -> None:
        self.tracked, self._updates = tracked, updates
        self._rows = {layer: row for row in rows for layer in row.layers}
        assert tracked.fast is not None
        self.fast = tracked.fast
        self._anchor = self.fast.make((), (), torch.float32, requires_grad=True)
        self._functions: list[Any] = []
        self.gradients: list[int] = []
        self.is_refused = False

    def __contains__(self, layer: object) -> bool:
        return layer in self._rows

    # ---------------------------------------------------------------- forward
    def run_layer(self, layer: nn.Module, path: str, run: Callable[[], Any], args: Any, kwargs: Any) -> Any:
        """A block's forward, in full or repeated. Raise NotEqual if it cannot be repeated."""
        row = self._rows[layer]
        leaves, _ = tree_flatten((args, kwargs))
        try:
            if row.next >= len(row.layers) or row.layers[row.next] is not layer or not self.tracked.settled():
                raise UnlikeError("another order")
            row.next += 1
            if layer in row.full:
                return self._in_full(row, layer, path, run, leaves)
            return self._repeated(row, layer, path, leaves)
        except UnlikeError as error:
            self.is_refused = True  # also where the model goes on
            raise NotEqual(layer) from error

    def _in_full(self, row: Row, layer: nn.Module, path: str, run: Callable[[], Any], leaves: list[Any]) -> Any:
        tracked, storages = self.tracked, self.tracked.storages
        inputs = unique_tensors(leaves)
        given, roles = given_tensors(inputs, storages.number)
        before = all_holders(inputs)
        start, first, low = len(tracked.events), storages.count, torch.autograd._get_sequence_nr()
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
        held = {g.code for g, one, other in zip(given, before, after, strict=True) if one != other and g.code is not None}
        made = [leaf for leaf, output in zip(tree_flatten(result)[0], outputs, strict=True) if isinstance(output, MadeTensor)]
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
        if layer in (row.layers[0], row.layers[-2]) and any(tensor.requires_grad for tensor in made):
            self._follow(row, Followed(layer, path, numbers=numbers, first=first, nodes=(low, high)), inputs, made)
        return result

    def _follow(self, row: Row, followed: Followed, inputs: list[torch.Tensor], made: list[torch.Tensor]) -> None:
        """Have the gradients noted that come into a block, and those that it hands out."""
        row.followed[followed.layer] = followed
        number = self.tracked.storages.number

        def comes_in(place: int, gradient: torch.Tensor) -> None:
            taken = number(storage_of(gradient))
            followed.incoming[place] = (-2 if taken is None else taken, _incoming(gradient, taken))

        def goes_out(place: int, gradient: torch.Tensor) -> None:
            taken = number(storage_of(gradient))
            made = MadeTensor(layout_made(gradient), False, gradient._is_view(), 0)
            followed.outgoing[place] = (-2 if taken is None else taken, made)

        for place, tensor in enumerate(made):
            if tensor.requires_grad:
                tensor.register_hook(lambda gradient, place=place: comes_in(place, gradient))
        for place, tensor in enumerate(inputs):
            if tensor.requires_grad:
                tensor.register_hook(lambda gradient, place=place: goes_out(place, gradient))
                edge = get_gradient_edge(tensor)
                followed.edges.append((edge.node, edge.output_nr))

    def _repeated(self, row: Row, layer: nn.Module, path: str, leaves: list[Any]) -> Any:
        tracked, forward = self.tracked, row.forward
        inputs = unique_tensors(leaves)
        given, roles = given_tensors(inputs, tracked.storages.number)
        if forward is None or given != forward.inputs:
            raise UnlikeError("other arguments")
        first = tracked.storages.count
        tracked.storages.count += len(forward.makers)
        tracked.makers += forward.makers
        numbers = [*range(first, tracked.storages.count), *reversed(roles)]
        tracked.events.append(BlockEvents(forward.events, numbers, path))
        outputs = [output for output in forward.outputs if isinstance(output, MadeTensor)]
        if any(output.requires_grad for output in outputs):
            made = self._differentiable(row, layer, path, inputs, numbers)
        else:
            made = self.make_outputs(forward, numbers)
        rest = iter(made)
        result = [
            next(rest) if isinstance(o, MadeTensor) else leaves[o[0]] if type(o) is tuple else o for o in forward.outputs
        ]
        return tree_unflatten(result, forward.structure)

    def _differentiable(
        self, row: Row, layer: nn.Module, path: str, inputs: list[torch.Tensor], numbers: list[int]
    ) -> list[torch.Tensor]:
        assert row.forward is not None
        if self._updates:
            self.tracked.swapped.swap_deferred(layer)
            for parameter in (*layer.parameters(), *layer.buffers()):
                self.tracked.storages.outside(storage_of(parameter))
        repeated = _Repeated(self, row, layer, path, numbers)
        for tensor, given in zip(inputs, row.forward.inputs, strict=True):
            if given.code in row.forward.held:
                repeated.held[given.code] = storage_of(tensor)
        row.open.add(layer)
        made = list(_BlockFunction.apply(self._anchor, repeated, *inputs))
        for place, tensor in enumerate(made):
            if tensor.requires_grad:
                tensor.register_hook(lambda gradient, place=place: repeated.comes_in(place, gradient))
        self._functions.append(next(tensor.grad_fn for tensor in made if tensor.requires_grad))
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
        for node in self._functions:
            number = node._sequence_nr()
            for edge in node.next_functions[1:]:
                if edge[0] is not None and not graph.first.get(edge) == graph.last.get(edge) == number:
                    raise UnlikeError("an input that is used elsewhere")
        self._functions.clear()
        for row in dict.fromkeys(self._rows.values()):
            for followed in row.followed.values():
                low, high = followed.nodes
                for edge in followed.edges:
                    if not low <= graph.last.get(edge, low) <= graph.first.get(edge, low) < high:
                        raise UnlikeError("an input that is used elsewhere")
                followed.edges.clear()

    def graph_dropped(self) -> None:
        """Let go of the nodes."""
        self._functions.clear()
        for row in self._rows.values():
            for followed in row.followed.values():
                followed.edges.clear()

    def repeat_backward(self, repeated: _Repeated, gradients: Sequence[torch.Tensor | None]) -> list[Any]:
        """A block's backward pass: the gradients of its inputs; its parameters have theirs."""
        tracked, row = self.tracked, repeated.row
        tracked.enter_node()
        try:
            if row.backward is None:
                row.backward = self._backward(row, row.followed[row.layers[-2]])
                row.backward.check_held(row.forward, self._alive(row))
            return self._repeat_backward(repeated, row.backward, gradients)
        except (UnlikeError, KeyError) as error:
            raise NotEqual(repeated.layer) from error

    def _repeat_backward(self, repeated: _Repeated, backward: Backward, gradients: Sequence[Any]) -> list[Any]:
        tracked, storages = self.tracked, self.tracked.storages
        incoming = [repeated.incoming.get(place) for place in range(len(gradients))]
        if incoming != backward.incoming:
            raise UnlikeError("other gradients")
        first = storages.count
        storages.count += len(backward.makers)
        node: Any = torch._C._current_autograd_node()
        own = node._sequence_nr()
        tracked.makers += [maker if maker.node is None else Maker(own, maker.operator) for maker in backward.makers]
        known = len(repeated.row.forward.makers) if repeated.row.forward is not None else 0
        coming = [storage_of(gradient) for gradient in gradients if gradient is not None]
        roles = [number for number in map(storages.number, coming) if number != OUTSIDE]
        numbers = [
            *repeated.numbers[:known], *range(first, storages.count), *reversed([*reversed(repeated.numbers[known:]), *roles])
        ]  # fmt: skip
        if None in roles or len(set(roles)) != len(roles):
            raise UnlikeError("two gradients in one memory")
        for storage in coming:
            storages.outside(storage)  # its end is among the events
        for events, released in backward.parts(repeated.row.forward):
            if events:
                tracked.events.append(BlockEvents(events, numbers, repeated.path))
            if released is not None:
                repeated.held.pop(released)
        before = len(tracked.events)
        repeated.held.clear()
        if len(tracked.events) != before:
            raise UnlikeError("memory that only the block held")
        repeated.row.open.discard(repeated.layer)
        self._train(repeated.layer, backward.trained, numbers)
        return [None if gradient is None else self._gradient(gradient, numbers) for gradient in backward.gradients]

    def _train(self, layer: nn.Module, trained: Mapping[str, MadeTensor], numbers: Sequence[int]) -> None:
        if not self._updates:
            self.gradients += [numbers[gradient.code] for gradient in trained.values()]
            return
        for name, gradient in trained.items():
            layer.get_parameter(name).grad = self._gradient(gradient, numbers)

    def _backward(self, row: Row, followed: Followed) -> Backward:
        assert row.forward is not None
        trained = {
            name: MadeTensor(layout_made(p.grad), False, p.grad._is_view(), self.tracked.storages.number(storage_of(p.grad)))
            for name, p in followed.layer.named_parameters()
            if p.grad is not None
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

    def _alive(self, row: Row) -> set[int]:
        followed = row.followed[row.layers[-2]]
        alive = self.tracked.storages.alive()
        return {code for number, code in followed.numbers.items() if number in alive}

    def ended(self) -> None:
        """Raise UnlikeError unless each block that was repeated had its backward pass, and those that ran did the same."""
        for row in dict.fromkeys(self._rows.values()):
            if row.open or self.is_refused:
                raise UnlikeError("a block without a backward pass")
            if row.backward is None or row.forward is None:
                continue
            first = self._backward(row, row.followed[row.layers[0]])
            if not row.backward.is_like(first, row.forward.held):
                raise UnlikeError("another backward pass")


@dataclass(slots=True, eq=False)
class _Repeated:
    """One block that is repeated, and the memory that it holds for its backward pass."""

    memory: RepeatedMemory
    row: Row
    layer: nn.Module
    path: str
    numbers: list[int]
    held: dict[int, Any] = field(default_factory=dict)
    incoming: dict[int, Incoming] = field(default_factory=dict)

    def comes_in(self, place: int, gradient: torch.Tensor) -> None:
        """Note an output's gradient."""
        self.incoming[place] = _incoming(gradient, self.memory.tracked.storages.number(storage_of(gradient)))


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


def _incoming(gradient: torch.Tensor, number: int | None) -> Incoming:
    return Incoming(layout_made(gradient), gradient._is_view(), number == OUTSIDE, holders_of(gradient))


def _is_held(tensor: torch.Tensor) -> bool:
    """Whether a block's output, or what it is a view of, is held by something besides who gets it."""
    tensors = [tensor] if tensor._base is None else [tensor, tensor._base]
    return any(holders_of(t) != (1, 2 * len(tensors) + 1) for t in tensors)
