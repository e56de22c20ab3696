"""Gradient operators: written by differentiating the forward composite they belong to.

PyTorch's ``gelu_backward`` is the derivative of our GELU: the forward is emitted as what it left
behind (phase ``forward``, not counted again), and only the derivative's own items are its work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nncost.ir.autodiff import differentiate
from nncost.ir.builder import Builder
from nncost.ir.graph import Item, Region, Tensor

Forward = Callable[..., "Tensor | Sequence[Tensor]"]


def gradient(
    builder: Builder,
    forward: Forward,
    operands: Sequence[Tensor | None],
    seeds: Tensor | Sequence[Tensor | None],
    wanted: Sequence[bool],
    *,
    results: Sequence[Tensor] = (),
) -> list[Tensor | None]:
    """The gradients of ``forward(builder, *operands)``, one for each operand; None where not wanted.

    ``seeds`` are the gradients of its outputs. ``results`` are outputs that are already there and stand
    in for those the forward would make.
    """
    past = Builder(dtype=builder.dtype, training=builder.training, path=builder.path)
    made = forward(past, *operands)
    outputs = [made] if isinstance(made, Tensor) else list(made)
    incoming = [seeds] if isinstance(seeds, Tensor) or seeds is None else list(seeds)
    asked = {t: builder.path for t, want in zip(operands, wanted, strict=True) if want and t is not None}
    work = Builder(dtype=builder.dtype, training=builder.training, path=builder.path, phase="backward")
    pairs = [(output, seed) for output, seed in zip(outputs, incoming, strict=False) if seed is not None]
    found, ran = differentiate(work, past.items, pairs, asked)
    fakes = dict(zip(outputs, results, strict=False))
    items: list[Item] = [_with(item, fakes) for item in work.items]
    builder.items += needed(ran, items)
    builder.items += items
    return [
        fakes.get(g, g) if g is not None else None for g in (found.get(t) if t is not None else None for t in operands)
    ]


def needed(past: Sequence[Item], items: Sequence[Item]) -> list[Item]:
    """The forward items that the others read, directly or through one another, in order."""
    wanted = _reads(items)
    kept: list[Item] = []
    for item in reversed(past):
        if not wanted.isdisjoint(_produced(item)):
            kept.append(item)
            wanted |= _reads([item])
    return kept[::-1]


def _produced(item: Item) -> set[Tensor]:
    made = set(item.outputs)
    if isinstance(item, Region):
        for inner in item.items:
            made |= _produced(inner)
    return made


def _reads(items: Sequence[Item]) -> set[Tensor]:
    found: set[Tensor] = set()
    for item in items:
        found.update(_reads(item.items) if isinstance(item, Region) else item.inputs)
    return found


def _with(item: Item, fakes: Mapping[Tensor, Tensor]) -> Item:
    """The item reading the stand-ins."""
    from dataclasses import replace

    if not fakes:
        return item
    inputs = tuple(fakes.get(t, t) for t in item.inputs)
    if isinstance(item, Region):
        return replace(item, inputs=inputs, items=tuple(_with(inner, fakes) for inner in item.items))
    return replace(item, inputs=inputs)
