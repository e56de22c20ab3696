"""Distinct calls of kernels: what decides which memory a call takes, and how to make its results again."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import torch

from nncost.dims import Dim
from nncost.frontends.torch.step.fake_tensors import Layout, Outputs, is_made, outputs_like
from nncost.frontends.torch.tracing.call_signature import Description


class MemoryDescription(Description):
    """The arguments of a kernel that copies an operand which shares its memory with another: views of it are the same."""

    __slots__ = ()

    def position(self, tensor: torch.Tensor) -> int:
        """Note a tensor; the position of the first one that looks at the same memory in the same way."""
        tensors = self.tensors
        tensors.append(tensor)
        return next(place for place, other in enumerate(tensors) if other is tensor or _is_same_view(other, tensor))


def _is_same_view(one: torch.Tensor, other: torch.Tensor) -> bool:
    if torch.strided is not one.layout or torch.strided is not other.layout:
        return False
    return (
        one.untyped_storage()._cdata == other.untyped_storage()._cdata
        and (one.storage_offset(), one.shape, one.stride(), one.dtype)
        == (other.storage_offset(), other.shape, other.stride(), other.dtype)
    )  # fmt: skip


@dataclass(eq=False, slots=True)
class MemoryCall:
    """A distinct call: an operator on arguments of these layouts.

    ``outputs`` say how to make the results again (None: the operator must run), ``macs`` and ``bytes``
    what it takes to run it for real; ``sizes`` are those of the new memory its results take,
    ``positions`` which of its ``results`` tensors that is the memory of. ``grads``: whether gradients were being
    recorded, which some kernels ask; ``symbolic``: sizes are symbols or operands sparse, so that nothing can be run;
    ``actual`` are the outputs as a real run gave them, if not as ``outputs`` say.
    """

    operator: Any
    args: Any
    kwargs: Any
    outputs: Outputs | None = None
    sizes: tuple[Dim, ...] = ()
    positions: tuple[int, ...] = ()
    results: int = 0
    macs: int = 0
    bytes: int = 0
    grads: bool = False
    symbolic: bool = False
    actual: Outputs | None = None


@dataclass(slots=True, eq=False)
class CallEvent:
    """A call at its place; ``allocated`` are the numbers of the new memory its results take.

    ``saved_scalar`` is the memory of a number that the call made a tensor of and autograd saves for backward;
    with ``scalar_operand``, a call in backward is handed such a saved number, a tensor already.
    The call would have reused the memory ``reusable_input``, its first operand's, if nothing else held it
    (with ``reuses``: in any case), by calling ``inplace_form``.
    """

    call: MemoryCall
    allocated: tuple[int, ...]
    path: str
    phase: Any
    saved_scalar: int | None = None
    scalar_operand: bool = False
    reusable_input: int | None = None
    reuses: bool = False
    inplace_form: MemoryCall | None = None


def results_in(result: Any) -> list[Any]:
    """The tensors of a call's result in their positions; None if one is absent."""
    if isinstance(result, (list, tuple)):
        return [found for item in result for found in results_in(item)]
    return [result if isinstance(result, torch.Tensor) else None]


def outputs_of(result: Any, fresh: list[Any], args: Any) -> Outputs | None:
    """How to make the results again, whose new memory is ``fresh``; None if that is not known."""
    if isinstance(result, torch.Tensor) and not fresh:
        if not is_made(result):
            return None  # a real one, such as an optimizer's number of steps: it is written to
        position = next((i for i, value in enumerate(args) if value is result), None)
        return None if position is None else Outputs(torch.Tensor, argument=position)
    outputs = outputs_like(result)
    if outputs is None:
        return None
    expected = [layout.extent * layout.dtype.itemsize for layout in outputs.layouts if layout is not None]
    return outputs if expected == [storage.nbytes() for storage in fresh] else None


def without_positions(call: MemoryCall) -> MemoryCall:
    """A pooling along one axis, for one in an image of one row: the same without the positions of what it chose."""
    image, *options = call.args
    row = image._replace(shape=(*image.shape[:-2], image.shape[-1]), stride=(*image.stride[:-2], image.stride[-1]))
    args = (row, *[option[1:] if type(option) is tuple else option for option in options])
    pool = torch.ops.aten.max_pool1d.default
    return MemoryCall(
        pool, args, (), None, call.sizes[:1], (0,), 1, bytes=call.bytes, grads=call.grads, symbolic=call.symbolic
    )


def bytes_of(layout: Layout) -> int:
    """The bytes of a tensor's elements."""
    return int(prod(layout.shape) * layout.dtype.itemsize)
