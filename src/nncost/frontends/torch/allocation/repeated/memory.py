"""The forward passes of equal blocks, and which of them are repeated.

Which blocks are equal is known from the trace. Of each row the first runs in full, and the last; with a backward
pass the last but one too, whose gradients come from an equal block as those of the others do. In between, one
autograd function takes a block's place: it makes the outputs, holds what the block holds for its backward pass,
and notes the events of the blocks that ran, where they would have been noted.

All that ran in full must have done the same, and who holds a gradient must be as it was there. Otherwise UnlikeError
is raised, or NotEqual inside the model, and the step is followed operator by operator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from nncost.frontends.torch.allocation.repeated.backward import Repeated, RepeatedBackward
from nncost.frontends.torch.allocation.repeated.events import BlockEvents, UnlikeError, relative_to
from nncost.frontends.torch.allocation.repeated.followed import Followed
from nncost.frontends.torch.allocation.repeated.passes import (
    Forward,
    GivenTensor,
    MadeTensor,
    all_holders,
    given_tensors,
    holders_of,
    outputs_of_block,
    unique_tensors,
)
from nncost.frontends.torch.allocation.repeated.rows import Row
from nncost.frontends.torch.allocation.repeated.tracked import Tracked, Workshop
from nncost.frontends.torch.allocation.storages import storage_of
from nncost.frontends.torch.step.fake_tensors import FakeTensors
from nncost.frontends.torch.step.functions import OUTPUT_OF
from nncost.frontends.torch.step.signals import NotEqual
from nncost.frontends.torch.tracing.call_signature import flattened


class RepeatedMemory:
    """The rows of one step. ``updates``: an optimizer follows, for which parameters have gradients."""

    def __init__(self, tracked: Tracked, fast: FakeTensors, rows: Sequence[Row], *, updates: bool) -> None:
        self.tracked = tracked
        self.workshop = Workshop(fast, tracked.storages)
        self.backward = RepeatedBackward(tracked, self.workshop, rows, updates=updates)
        self._updates = updates
        self._places = {call: (row, place) for row in rows for place, call in enumerate(row.calls)}
        self._called = dict.fromkeys((layer for layer, _ in self._places), -1)
        self._anchor = self.workshop.anchor()

    def __contains__(self, layer: object) -> bool:
        return layer in self._called

    def run_layer(self, layer: nn.Module, path: str, run: Callable[[], Any], args: Any, kwargs: Any) -> Any:
        """A block's forward, in full or repeated. Raise NotEqual if it cannot be repeated."""
        self._called[layer] += 1
        found = self._places.get((layer, self._called[layer]))
        if found is None:
            return run()
        leaves, _ = flattened(args, kwargs)
        with torch._C.DisableTorchFunction():
            try:
                return self._run(*found, path, run, leaves)
            except UnlikeError as error:
                self.backward.is_refused = True  # also where the model goes on
                raise NotEqual(layer) from error

    def _run(self, row: Row, place: int, path: str, run: Callable[[], Any], leaves: list[Any]) -> Any:
        if row.next != place or not self.tracked.settled():
            raise UnlikeError("another order")
        row.next += 1
        if place in row.full:
            return self._in_full(row, place, path, run, leaves)
        return self._repeated(row, place, path, leaves)

    # ---------------------------------------------------------------- in full
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
        numbers = {number: code for code, number in enumerate(range(first, storages.count))}
        numbers |= {number: -1 - role for role, number in enumerate(roles)}
        events = relative_to(path, tracked.events[start:], numbers)
        outputs, structure = outputs_of_block(result, leaves, numbers, storages.number)
        forward = Forward(events, tracked.makers[first:], given, outputs, structure, set())
        made = [leaf for leaf, o in zip(tree_flatten(result)[0], outputs, strict=True) if isinstance(o, MadeTensor)]
        forward.held |= _held_inputs(given, before, all_holders(inputs))
        if forward.is_differentiable:
            forward.held |= {o.code for tensor, o in zip(made, forward.made, strict=True) if _is_held(tensor)}
        forward.check()
        if row.forward is None:
            row.forward = forward
        elif not row.forward.is_like(forward):
            raise UnlikeError("another forward pass")
        if place in (row.check, row.example) and forward.is_differentiable:
            row.followed[place] = Followed(row.calls[place][0], path, row.is_shared, numbers, (low, high))
            row.followed[place].hook(storages.number, inputs, made)
        for tensor in made:
            setattr(tensor, OUTPUT_OF, row.calls[place][0])
        return result

    # ---------------------------------------------------------------- repeated
    def _repeated(self, row: Row, place: int, path: str, leaves: list[Any]) -> Any:
        tracked, forward = self.tracked, row.forward
        inputs = unique_tensors(leaves)
        given, roles = given_tensors(inputs, tracked.storages.number)
        if forward is None or given != forward.inputs:
            raise UnlikeError("other arguments")
        first = tracked.storages.count
        tracked.storages.count += len(forward.makers)
        tracked.makers += forward.makers
        own = range(first, tracked.storages.count)
        numbers = [*own, *reversed(roles)]
        if forward.events:
            tracked.events.append(BlockEvents(forward.events, numbers, path))
        if forward.is_differentiable:
            repeated = Repeated(row, place, path, forward, own, roles)
            made = self._differentiable(repeated, inputs, numbers)
        else:
            made = [self.workshop.made(output, numbers) for output in forward.made]
        rest = iter(made)
        result = [
            next(rest) if isinstance(o, MadeTensor) else leaves[o[0]] if type(o) is tuple else o
            for o in forward.outputs
        ]
        return tree_unflatten(result, forward.structure)

    def _differentiable(
        self, repeated: Repeated, inputs: Sequence[torch.Tensor], numbers: Sequence[int]
    ) -> list[torch.Tensor]:
        storages = self.tracked.storages
        if self._updates and not repeated.row.is_shared:
            self.tracked.swapped.swap_deferred(repeated.layer)
            for parameter in (*repeated.layer.parameters(), *repeated.layer.buffers()):
                storages.outside(storage_of(parameter))
        repeated.hold(inputs, repeated.forward.inputs)
        made = list(_BlockFunction.apply(self._anchor, self, repeated, numbers, *inputs))
        for output, tensor in enumerate(made):
            if tensor.requires_grad:
                tensor.register_hook(
                    lambda gradient, output=output: repeated.comes_in(output, gradient, storages.number)
                )
        self.backward.expect(repeated, next(tensor.grad_fn for tensor in made if tensor.requires_grad))
        for tensor in made:
            setattr(tensor, OUTPUT_OF, repeated.layer)
        return made


class _BlockFunction(torch.autograd.Function):
    """Takes a block's place in the autograd graph."""

    @staticmethod
    def forward(
        ctx: Any,
        anchor: torch.Tensor,
        memory: RepeatedMemory,
        repeated: Repeated,
        numbers: Sequence[int],
        *inputs: torch.Tensor,
    ) -> Any:
        ctx.set_materialize_grads(False)
        ctx.memory, ctx.repeated = memory, repeated
        outputs = repeated.forward.made
        made = [memory.workshop.made(output, numbers) for output in outputs]
        repeated.hold(made, outputs)
        ctx.mark_non_differentiable(*(t for t, o in zip(made, outputs, strict=True) if not o.requires_grad))
        return tuple(made)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return (None, None, None, None, *ctx.memory.backward.repeat(ctx.repeated, gradients))


def _held_inputs(given: Sequence[GivenTensor], before: Sequence[Any], after: Sequence[Any]) -> set[int]:
    """The codes of the inputs that more hold after a block has run than before."""
    return {g.code for g, one, other in zip(given, before, after, strict=True) if one != other and g.code is not None}


def _is_held(tensor: torch.Tensor) -> bool:
    """Whether a block's output, or what it is a view of, is held by something besides who gets it."""
    # A fake tensor's memory is held by it, by the tensor of the meta device that it has, and by its own object.
    if tensor._base is None:
        return holders_of(tensor) != (1, 3, 0)
    return holders_of(tensor) != (1, 5, 2)  # what it is a view of, by its object and by the view
