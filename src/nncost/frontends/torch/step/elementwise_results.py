"""The layout of what elementwise operators return, where it is plain: rules for :mod:`.plain_results`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from nncost.frontends.torch.step.fake_tensors import Layout, contiguous_strides

_aten = torch.ops.aten
Layouts = Sequence[Layout | None] | None
Rule = Callable[[Any, list[torch.Tensor]], Layouts]


def default(*names: str) -> frozenset[Any]:
    """Operators of which there is one kind."""
    return frozenset(getattr(_aten, name).default for name in names)


def overloads(overload: str, *names: str) -> frozenset[Any]:
    """The same kind of several operators."""
    return frozenset(getattr(getattr(_aten, name), overload) for name in names)


_OF_NUMBERS = overloads("Tensor", "add", "sub", "mul") | default("neg", "abs", "sign")
"""Elementwise operators whose result has the type of their operands, also if these are whole numbers."""
ELEMENTWISE = (
    _OF_NUMBERS
    | overloads("Tensor", "div")
    | overloads("Scalar", "add", "sub", "mul", "div")
    | {_aten.pow.Tensor_Scalar}
    | default(
        "sqrt", "rsqrt", "exp", "log", "relu", "sigmoid", "tanh", "silu", "gelu", "square", "sin", "cos", "erf"
    )
)  # fmt: skip
"""Operators whose result has the type of their operands if these are floating-point and share one."""
BACKWARD = default("threshold_backward", "gelu_backward", "tanh_backward", "sigmoid_backward", "silu_backward")
"""Elementwise operators whose operands are laid out alike."""
COMPARISONS = overloads("Tensor", "eq", "ne", "lt", "le", "gt", "ge") | overloads(
    "Scalar", "eq", "ne", "lt", "le", "gt", "ge"
)
IN_PLACE = (
    default("relu_", "sigmoid_", "tanh_", "silu_", "gelu_", "hardswish_", "hardtanh_")
    | overloads("Tensor", "add_", "sub_", "mul_", "div_")
    | overloads("Scalar", "add_", "sub_", "mul_", "div_")
    | {_aten.bernoulli_.float}
)
"""Those that write to their first operand and return it."""
NUMBERS = {int, float}


def _of_elements(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    """Operands of one floating-point type."""
    dtype = tensors[0].dtype
    return (
        _elements(args, tensors, dtype) if dtype.is_floating_point and share_type(args, tensors[0], NUMBERS) else None
    )


def _of_backward(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    gradient, other = tensors
    is_alike = gradient.stride() == other.stride() or (gradient.is_contiguous() and other.is_contiguous())
    return _of_elements(args[:2], tensors) if is_alike and gradient.shape == other.shape else None


def _of_numbers(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    """Operands of one type, of floating-point or whole numbers."""
    dtype = tensors[0].dtype
    if dtype.is_floating_point:
        return _of_elements(args, tensors)
    return _elements(args, tensors, dtype) if dtype is torch.int64 and share_type(args, tensors[0], {int}) else None


def _of_comparison(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    return _elements(args, tensors, torch.bool) if share_type(args, tensors[0], NUMBERS) else None


def share_type(args: Any, first: torch.Tensor, numbers: set[type]) -> bool:
    """Whether ``first`` is the first operand, and the others are tensors of its type or numbers."""
    dtype = first.dtype
    return first is args[0] and all(
        other.dtype == dtype if isinstance(other, torch.Tensor) else type(other) in numbers for other in args[1:]
    )


def _elements(args: Any, tensors: list[torch.Tensor], dtype: torch.dtype) -> Layouts:
    """A result in row-major order if all operands are, or in the order of the first.

    If all operands are tensors of one shape, strides of axes of one element do not matter.
    """
    shape = _broadcast(tensors)
    if shape is None:
        return None
    if all(tensor.stride() == contiguous_strides(tensor.shape) for tensor in tensors):
        return [Layout(shape, contiguous_strides(shape), dtype)]
    if len(args) == len(tensors) and all(tensor.shape == shape and tensor.is_contiguous() for tensor in tensors):
        return [Layout(shape, contiguous_strides(shape), dtype)]
    first = tensors[0]
    strides = None if first.shape != shape or first.is_contiguous() else strides_in_order_of(first)
    return None if strides is None else [Layout(shape, strides, dtype)]


def _broadcast(tensors: list[torch.Tensor]) -> Any:
    """The shape of a result, which is that of an operand; None where that is not so, and for tensors without elements."""
    shape = tensors[0].shape
    if any(tensor.shape != shape for tensor in tensors[1:]):
        shape = max((tensor.shape for tensor in tensors), key=lambda found: (len(found), found.numel()))
        for tensor in tensors:
            pairs = zip(reversed(tensor.shape), reversed(shape), strict=False)
            if any(size not in (1, whole) for size, whole in pairs):
                return None
    return None if 0 in shape else shape


def strides_in_order_of(tensor: torch.Tensor) -> Any:
    """Strides without gaps whose axes come in the order of a tensor's own, which alone decides if all of these differ."""
    shape, own = tensor.shape, tensor.stride()
    if len(set(own)) < len(own) or 0 in own or 1 in shape[1:]:
        return None
    order = sorted(range(len(own)), key=own.__getitem__)
    made, size = [0] * len(own), 1
    for axis in order:
        made[axis], size = size, size * shape[axis]
    if shape[0] == 1 and (order[-1] != 0 or (own[1:] == tuple(made[1:]) and own[0] != made[0])):
        return None  # a kernel may keep an odd stride
    return tuple(made)


def _in_place(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    """A floating-point tensor that is written to; any other operand has its shape, and lies elsewhere in memory."""
    first, *others = tensors
    shape, dtype = first.shape, first.dtype
    if not dtype.is_floating_point or not share_type(args, first, NUMBERS):
        return None
    if first.stride() != contiguous_strides(shape) or any(other.shape != shape for other in others):
        return None
    memory = first.untyped_storage()._cdata
    return None if any(other.untyped_storage()._cdata == memory for other in others) else ()


def _of_where(args: Any, tensors: list[torch.Tensor]) -> Layouts:
    """A choice between two tensors of one type."""
    if len(tensors) != 3 or tensors[0].dtype is not torch.bool or tensors[1].dtype != tensors[2].dtype:
        return None
    return _elements(args, tensors, tensors[1].dtype)


ELEMENTWISE_RULES: Mapping[Any, Rule] = {
    **dict.fromkeys(ELEMENTWISE, _of_elements),
    **dict.fromkeys(_OF_NUMBERS, _of_numbers),
    **dict.fromkeys(COMPARISONS, _of_comparison),
    **dict.fromkeys(IN_PLACE, _in_place),
    **dict.fromkeys(BACKWARD, _of_backward),
    _aten.where.self: _of_where,
}
