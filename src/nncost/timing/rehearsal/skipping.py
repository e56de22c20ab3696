"""Blocks of a real module that are left out, and those that run and are timed.

A block that is left out hands its input on, forward, and its gradient, backward. While the clock is stopped it reads its
parameters, takes the memory that it would leave behind for the backward pass, and makes gradients: so the blocks that do
run find the caches and the allocator as in the whole step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from nncost.frontends.torch.step.fake_tensors import Layout
from nncost.records import record
from nncost.timing.rehearsal.blocks import Block
from nncost.timing.rehearsal.clock import Clock

_GRADIENT = 1e-3
"""What stands for gradients before any are known."""
_LOOKS = 2
"""Steps whose gradients are looked at."""


class BlockTimes:
    """Seconds of the blocks that ran in one step, by path; ``calls`` tell how often each block was called."""

    def __init__(self) -> None:
        self.forward: dict[str, float] = {}
        self.backward: dict[str, float] = {}
        self.calls: dict[str, int] = {}

    def clear(self) -> None:
        """Forget a step."""
        for each in (self.forward, self.backward, self.calls):
            each.clear()


class CacheBound:
    """Bytes that blocks in a row touch while they are left out: no more than outgrow the caches."""

    def __init__(self, most: int) -> None:
        self._most, self._left = most, most

    def renew(self) -> None:
        """A block ran: those that follow touch again."""
        self._left = self._most

    def take(self, bytes_: int) -> bool:
        """Whether that many bytes are still to be touched."""
        self._left -= bytes_
        return self._left + bytes_ > 0


class KnownGradients:
    """Gradients of a block that ran, for equal blocks that are left out: optimizers take longer where many are zero."""

    def __init__(self) -> None:
        self._known: list[torch.Tensor | None] = []
        self._looks = 0

    def look(self, layer: nn.Module) -> None:
        """Keep a copy of a layer's gradients, in the first steps."""
        if self._looks < _LOOKS:
            self._looks += 1
            self._known = [None if p.grad is None else p.grad.clone() for p in layer.parameters()]

    def make(self, layer: nn.Module) -> None:
        """Give an equal layer such gradients."""
        for number, parameter in enumerate(layer.parameters()):
            if parameter.requires_grad and parameter.grad is None:
                known = self._known[number] if self._known else None
                parameter.grad = torch.full_like(parameter, _GRADIENT) if known is None else known.clone()


@record
class Surroundings:
    """What the blocks of one group share: the clock, their times, the bytes to touch and the gradients."""

    clock: Clock
    times: BlockTimes
    bound: CacheBound
    gradients: KnownGradients


def leave_out(layer: nn.Module, block: Block, around: Surroundings) -> None:
    """Replace a layer's forward by one that hands its input on."""
    skipped = _Skipped(layer, block, around)
    clock, times = around.clock, around.times

    def forward(*args: Any, **kwargs: Any) -> Any:
        with clock.stopped():
            times.calls[block.path] = times.calls.get(block.path, 0) + 1
            return skipped.run(args, kwargs)

    layer.forward = forward


def time_block(layer: nn.Module, block: Block, around: Surroundings) -> None:
    """Time a layer's forward, and its backward by when the gradients of its output and of its input are there."""
    run: Callable[..., Any] = layer.forward
    clock, times, bound, path = around.clock, around.times, around.bound, block.path

    def begin(gradient: torch.Tensor) -> None:
        del gradient
        bound.renew()
        times.backward[path] = times.backward.get(path, 0.0) - clock()

    def end(gradient: torch.Tensor) -> None:
        del gradient
        times.backward[path] = times.backward.get(path, 0.0) + clock()
        with clock.stopped():
            around.gradients.look(layer)

    def forward(*args: Any, **kwargs: Any) -> Any:
        with clock.stopped():
            times.calls[path] = times.calls.get(path, 0) + 1
            bound.renew()
            _hook(_first_with_gradient((args, kwargs)), end)
        begun = clock()
        result = run(*args, **kwargs)
        times.forward[path] = clock() - begun
        with clock.stopped():
            _hook(_first_with_gradient(result), begin)
        return result

    layer.forward = forward


def _hook(tensor: torch.Tensor | None, function: Callable[[torch.Tensor], None]) -> None:
    if tensor is not None:
        tensor.register_hook(function)


def _first_with_gradient(values: Any) -> torch.Tensor | None:
    tensors = (leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor))
    return next((tensor for tensor in tensors if tensor.requires_grad), None)


class _Skipped:
    """A layer that is left out."""

    def __init__(self, layer: nn.Module, block: Block, around: Surroundings) -> None:
        self.layer, self.clock, self.bound, self.gradients = layer, around.clock, around.bound, around.gradients
        self._returned, self._spec = tree_flatten(block.flow.returned, is_leaf=_is_layout)
        layouts = [leaf for leaf in self._returned if isinstance(leaf, Layout)]
        self.held = _without(block.held, [layout.extent * layout.dtype.itemsize for layout in layouts])

    def run(self, args: Any, kwargs: Any) -> Any:
        """What the layer would return: its inputs where they look the same, zeros elsewhere."""
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        layouts = [leaf for leaf in self._returned if isinstance(leaf, Layout)]
        made = iter(_Skip.apply(self, layouts, *tensors) if layouts else ())
        leaves = [next(made) if isinstance(leaf, Layout) else leaf for leaf in self._returned]
        return tree_unflatten(leaves, self._spec)

    def read_parameters(self) -> None:
        """Bring the parameters into the caches."""
        for parameter in self.layer.parameters():
            if self.bound.take(parameter.nbytes):
                torch.sum(parameter.detach())

    def take_memory(self) -> list[torch.Tensor]:
        """The memory that the layer's call leaves behind, written as far as it matters."""
        memory = [torch.empty(bytes_, dtype=torch.uint8) for bytes_ in self.held]
        for piece in memory:
            if self.bound.take(piece.nbytes):
                piece.fill_(0)
        return memory


class _Skip(torch.autograd.Function):
    """The layer that is left out as one node of the backward pass."""

    @staticmethod
    def forward(ctx: Any, skipped: _Skipped, layouts: Sequence[Layout], *tensors: torch.Tensor) -> Any:
        ctx.skipped, ctx.memory = skipped, None
        skipped.read_parameters()
        free = list(range(len(tensors)))
        ctx.sources, results = [], []
        for layout in layouts:
            source = next((n for n in free if _looks_like(tensors[n], layout)), None)
            ctx.sources.append(source)
            if source is None:
                results.append(torch.zeros(layout.extent, dtype=layout.dtype).as_strided(layout.shape, layout.stride))
            else:
                free.remove(source)
                results.append(tensors[source].clone())
        ctx.inputs = len(tensors)
        ctx.mark_non_differentiable(*(r for r, s in zip(results, ctx.sources, strict=True) if s is None))
        ctx.memory = skipped.take_memory()
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        with ctx.skipped.clock.stopped():
            ctx.skipped.read_parameters()
            ctx.memory = None
            ctx.skipped.gradients.make(ctx.skipped.layer)
            by_input = dict(zip(ctx.sources, gradients, strict=True))
            needed = ctx.needs_input_grad[2:]
            return None, None, *(by_input.get(n) if needed[n] else None for n in range(ctx.inputs))


def _is_layout(value: Any) -> bool:
    return isinstance(value, Layout)  # a tuple, of which each part would be a leaf


def _looks_like(tensor: torch.Tensor, layout: Layout) -> bool:
    return tuple(tensor.shape) == tuple(layout.shape) and tensor.dtype == layout.dtype


def _without(sizes: Sequence[int], taken: Sequence[int]) -> list[int]:
    """The sizes without those that are taken already."""
    left = list(sizes)
    for size in taken:
        if size in left:
            left.remove(size)
    return left
