"""Blocks of a real module that are left out.

Such a block hands its input on, forward, and its gradient, backward. While the clock is stopped it reads its parameters,
takes the memory that it would leave behind for the backward pass, and makes gradients: so the blocks that do run find the
caches and the allocator as in the whole step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves, tree_unflatten

from nncost.frontends.torch.step.fake_tensors import Layout
from nncost.timing.rehearsal.blocks import Block
from nncost.timing.rehearsal.surroundings import Surroundings


def leave_out(layer: nn.Module, block: Block, around: Surroundings) -> None:
    """Replace a layer's forward by one that hands its input on."""
    skipped = _Skipped(layer, block, around)

    def forward(*args: Any, **kwargs: Any) -> Any:
        with around.clock.stopped():
            around.times.calls[block.path] += 1
            return skipped.run(args, kwargs)

    layer.forward = forward


class _Skipped:
    """A layer that is left out."""

    def __init__(self, layer: nn.Module, block: Block, around: Surroundings) -> None:
        self.layer, self.block, self.around = layer, block, around
        flow = block.flow
        returned = [
            (part, differs) for part, differs in zip(flow.parts, flow.with_gradient, strict=True) if _is_layout(part)
        ]
        self.layouts = [layout for layout, _ in returned]
        self.with_gradient = [differs for _, differs in returned]
        self.held = _without(block.held, [layout.extent * layout.dtype.itemsize for layout in self.layouts])
        self._start = torch.zeros((), requires_grad=True)

    def run(self, args: Any, kwargs: Any) -> Any:
        """What the layer would return: its inputs where they look the same, zeros elsewhere."""
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        made = iter(_Skip.apply(self, self._start, *tensors) if self.layouts else ())
        leaves = [next(made) if _is_layout(part) else part for part in self.block.flow.parts]
        return tree_unflatten(leaves, self.block.flow.structure)

    def sources(self, tensors: Sequence[torch.Tensor]) -> list[int | None]:
        """Which tensor each result is handed on from, those with a gradient first; None for none."""
        free = sorted(range(len(tensors)), key=lambda n: not tensors[n].requires_grad)
        found: list[int | None] = []
        for layout in self.layouts:
            source = next((n for n in free if _looks_like(tensors[n], layout)), None)
            found.append(source)
            if source is not None:
                free.remove(source)
        return found

    def read_parameters(self) -> None:
        """Bring the parameters into the caches."""
        for parameter in self.layer.parameters():
            if self.around.bound.take(parameter.nbytes):
                torch.sum(parameter.detach())

    def take_memory(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The memory that the layer's call leaves behind, written as far as it matters, and what it keeps of its inputs."""
        memory = [torch.empty(bytes_, dtype=torch.uint8) for bytes_ in self.held]
        for piece in memory:
            if self.around.bound.take(piece.nbytes):
                piece.fill_(0)
        return memory + [t.detach() for t in tensors if t.untyped_storage().nbytes() in self.block.kept]


class _Skip(torch.autograd.Function):
    """The layer that is left out as one node of the backward pass."""

    @staticmethod
    def forward(ctx: Any, skipped: _Skipped, start: torch.Tensor, *tensors: torch.Tensor) -> Any:
        del start  # only makes the results have a gradient
        ctx.skipped, ctx.given = skipped, [(t.shape, t.dtype) for t in tensors]
        ctx.set_materialize_grads(False)
        skipped.read_parameters()
        ctx.sources = skipped.sources(tensors)
        pairs = zip(skipped.layouts, ctx.sources, strict=True)
        results = [_made(layout, None if source is None else tensors[source]) for layout, source in pairs]
        ctx.mark_non_differentiable(*(r for r, d in zip(results, skipped.with_gradient, strict=True) if not d))
        ctx.memory = skipped.take_memory(tensors)
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        skipped = ctx.skipped
        with skipped.around.clock.stopped():
            skipped.around.times.passed[skipped.block.path] += 1
            skipped.read_parameters()
            ctx.memory = None
            skipped.around.gradients.make(skipped.layer, skipped.block)
            handed = {s: g for s, g, d in zip(ctx.sources, gradients, skipped.with_gradient, strict=True) if d}
            needed = ctx.needs_input_grad[2:]
            return (
                None,
                None,
                *(_gradient(handed.get(n), *given) if needed[n] else None for n, given in enumerate(ctx.given)),
            )


def _gradient(handed: torch.Tensor | None, shape: torch.Size, dtype: torch.dtype) -> torch.Tensor:
    """The gradient of an input: each has one in the whole step, and adding it to others takes time."""
    return torch.zeros(shape, dtype=dtype) if handed is None else handed


def _made(layout: Layout, source: torch.Tensor | None) -> torch.Tensor:
    """A tensor of that layout with the values of another, or zeros."""
    if layout.extent < torch.Size(layout.shape).numel():  # an expanded one
        return torch.zeros(layout.extent, dtype=layout.dtype).as_strided(layout.shape, layout.stride)
    made = torch.empty_strided(layout.shape, layout.stride, dtype=layout.dtype)
    return made.zero_() if source is None else made.copy_(source)


def _is_layout(value: Any) -> bool:
    return isinstance(value, Layout)


def _looks_like(tensor: torch.Tensor, layout: Layout) -> bool:
    return tuple(tensor.shape) == tuple(layout.shape) and tensor.dtype == layout.dtype


def _without(sizes: Sequence[int], taken: Sequence[int]) -> list[int]:
    """The sizes without those that are taken already."""
    left = list(sizes)
    for size in taken:
        if size in left:
            left.remove(size)
    return left
