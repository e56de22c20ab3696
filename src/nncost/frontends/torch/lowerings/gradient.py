"""A composite of ``ir.library`` as an operator, and PyTorch's gradient operator as the derivative of that composite.

PyTorch's ``gelu_backward`` is the derivative of our GELU: the forward is emitted as what it left
behind (phase ``forward``, not counted again), and only the derivative's own items are its work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Union

from nncost.dims import Dim
from nncost.frontends.torch.lowerings.registry import Call, Lowered, Lowering
from nncost.ir.autodiff import differentiate
from nncost.ir.builder import Builder
from nncost.ir.graph import Item, Region, Tensor, walk
from nncost.records import replace

Forward = Callable[..., Union[Tensor, Sequence[Tensor]]]
"""A composite with its settings: ``f(builder, *tensors)``."""
Make = Callable[[Call], Forward]
"""The composite with the settings of a call."""
Operand = Union[str, Callable[[Call], Union[Tensor, None]]]
"""An argument's name (or several, ``"self|input"``), or what makes the tensor of a call."""
SEEDS = "grad_output|grad_out|grad_out_|grad|grad_w"


def composite(make: Make, *operands: Operand) -> Lowering:
    """The lowering that emits a composite; results beyond its own are left out."""

    def lower(call: Call) -> Lowered:
        made = make(call)(call.builder, *(_tensor(call, operand) for operand in operands))
        results = [made] if isinstance(made, Tensor) else list(made)
        shaped = [call.builder.reshape(y, shape) for y, (shape, _) in zip(results, call.outputs, strict=False)]
        return [*shaped, *[None] * (len(call.outputs) - len(shaped))]

    return lower


def composite_gradient(make: Make, *operands: Operand, saved: str = "") -> Lowering:
    """The lowering of a gradient operator: the derivative of a composite by its operands, one per output.

    Masks among the arguments say which are asked for. ``saved`` names the argument that is the composite's output.
    """

    def lower(call: Call) -> Lowered:
        tensors, count = [_tensor(call, operand) for operand in operands], len(call.outputs)
        asked = [bool(flag) for flag in call.get("output_mask", call.get("asked", (True,) * count))][:count]
        wanted = [*asked, *[False] * len(tensors)][: len(tensors)]
        results = [call.tensor(saved)] if saved else []
        found = gradient(call.builder, make(call), tensors, _tensor(call, SEEDS), wanted, results=results)
        return [*found, *[None] * count][:count]

    return lower


def like(shape: Callable[[Call], Sequence[Dim]]) -> Operand:
    """An operand that is known by its shape only: its values play no part in the gradient."""

    def made(call: Call) -> Tensor:
        seed = _tensor(call, SEEDS)
        dtype = call.dtype if seed is None else seed.dtype
        return call.builder.full(tuple(shape(call)), 0.0, dtype)

    return made


def _tensor(call: Call, operand: Operand) -> Tensor | None:
    """The tensor of an operand; None if the call has none."""
    if not isinstance(operand, str):
        return operand(call)
    found: Tensor | None = next((call[name] for name in operand.split("|") if call.get(name) is not None), None)
    return found


def gradient(
    builder: Builder,
    forward: Forward,
    operands: Sequence[Tensor | None],
    seeds: Tensor | Sequence[Tensor | None] | None,
    wanted: Sequence[bool],
    *,
    results: Sequence[Tensor] = (),
) -> list[Tensor | None]:
    """The gradients of ``forward(builder, *operands)``, one per operand; None if not wanted.

    ``seeds`` are the gradients of its outputs. ``results`` are outputs that are already there and are read
    instead of those that the forward would make.
    """
    past = Builder(dtype=builder.dtype, training=builder.training, path=builder.path)
    made = forward(past, *operands)
    outputs = [made] if isinstance(made, Tensor) else list(made)
    incoming = [seeds] if isinstance(seeds, Tensor) or seeds is None else list(seeds)
    incoming = [g if g is None else builder.reshape(g, y.shape) for g, y in zip(incoming, outputs, strict=False)]
    asked = {t: builder.path for t, want in zip(operands, wanted, strict=True) if want and t is not None}
    work = Builder(dtype=builder.dtype, training=builder.training, path=builder.path, phase="backward")
    pairs = [(output, seed) for output, seed in zip(outputs, incoming, strict=False) if seed is not None]
    found, ran = differentiate(work, past.items, pairs, asked)
    replaced = dict(zip(outputs, results, strict=False))
    items: list[Item] = [_with(item, replaced) for item in work.items]
    builder.items += needed(ran, items)
    builder.items += items
    return [
        replaced.get(g, g) if g is not None else None
        for g in (found.get(t) if t is not None else None for t in operands)
    ]


def needed(past: Sequence[Item], items: Sequence[Item]) -> list[Item]:
    """The forward items that the others read, directly or through one another, in order."""
    wanted = _reads(items)
    kept: list[Item] = []
    for item in reversed(past):
        if not wanted.isdisjoint((*item.outputs, *(tensor for node in walk([item]) for tensor in node.outputs))):
            kept.append(item)
            wanted |= _reads([item])
    return kept[::-1]


def _reads(items: Sequence[Item]) -> set[Tensor]:
    return {tensor for node in walk(items) for tensor in node.inputs}


def _with(item: Item, replaced: Mapping[Tensor, Tensor]) -> Item:
    """The item, reading the results that are already there."""
    if not replaced:
        return item
    inputs = tuple(replaced.get(t, t) for t in item.inputs)
    if isinstance(item, Region):
        return replace(item, inputs=inputs, items=tuple(_with(inner, replaced) for inner in item.items))
    return replace(item, inputs=inputs)
