"""Blocks of a real module that run and are timed, while others are left out.

A block is given its inputs as tensors of its own (views of the same memory; copies where it writes to them): whoever else
uses the originals, the gradients of these are there when the block's backward pass is over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves, tree_map

from nncost.timing.rehearsal.blocks import Block
from nncost.timing.rehearsal.surroundings import NotSampledError, Surroundings

_CONTAINERS = (tuple, list, dict)
_OWN = frozenset(vars(nn.Module()))
"""Attributes that each module has."""


def time_block(layer: nn.Module, block: Block, around: Surroundings) -> None:
    """Replace a layer's forward by one that notes the seconds, and those of its backward pass."""
    run: Callable[..., Any] = layer.forward
    clock, times = around.clock, around.times

    def begin(gradient: torch.Tensor) -> None:
        del gradient
        around.bound.renew()
        times.begin(block.path, clock())

    def forward(*args: Any, **kwargs: Any) -> Any:
        with clock.stopped():
            times.calls[block.path] += 1
            around.bound.renew()
            given = _own((args, kwargs), layer, block, around)
            before = _kept(layer), len(tree_leaves(given))
        begun = clock()
        result = run(*given[0], **given[1])
        times.forward[block.path] = clock() - begun
        with clock.stopped():
            if before != (_kept(layer), len(tree_leaves(given))):
                raise NotSampledError(f"{block.path} leaves more behind than what it returns")
            for tensor in _tensors(result):
                if tensor.grad_fn is not None:
                    tensor.register_hook(begin)
        return result

    layer.forward = forward


def _own(given: Any, layer: nn.Module, block: Block, around: Surroundings) -> Any:
    """What a block is given, each tensor with a gradient as one of the block's own."""
    leaves = tree_leaves(given, is_leaf=_is_leaf)
    found = {id(leaf): leaf for leaf in leaves if isinstance(leaf, torch.Tensor) and leaf.requires_grad}
    if not found or not torch.is_grad_enabled():
        return given
    made = dict(zip(found, _Own.apply(layer, block, around, *found.values()), strict=True))
    for name, tensor in made.items():
        vars(tensor).update(vars(found[name]))
    return tree_map(lambda leaf: made.get(id(leaf), leaf), given, is_leaf=_is_leaf)


def _is_leaf(value: Any) -> bool:
    return type(value) not in _CONTAINERS


class _Own(torch.autograd.Function):
    """The inputs of a block as one node, which runs after the block's own in the backward pass."""

    @staticmethod
    def forward(ctx: Any, layer: nn.Module, block: Block, around: Surroundings, *tensors: torch.Tensor) -> Any:
        ctx.layer, ctx.block, ctx.around = layer, block, around
        ctx.set_materialize_grads(False)
        return tuple(tensor.clone() if block.writes else tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor | None) -> Any:
        now = ctx.around.clock()
        with ctx.around.clock.stopped():
            if all(gradient is not None for gradient in gradients):
                ctx.around.times.end(ctx.block.path, now)
            ctx.around.gradients.look(ctx.layer)
            return None, None, None, *gradients


def _tensors(values: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor)]


def _kept(layer: nn.Module) -> dict[tuple[int, str], list[int]]:
    """The tensors among the attributes of a layer and those inside of it, beside parameters and buffers."""
    kept = {
        (id(part), name): [id(tensor) for tensor in _tensors(value)]
        for part in layer.modules()
        for name, value in vars(part).items()
        if name not in _OWN
    }
    return {place: tensors for place, tensors in kept.items() if tensors}
