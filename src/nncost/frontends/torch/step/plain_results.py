"""Operators on fake tensors whose result's layout is plain: PyTorch's own meta kernels take long to tell it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from nncost.frontends.torch.step.fake_tensors import FakeTensors, contiguous_strides

_aten = torch.ops.aten
ELEMENTWISE = {
    getattr(_aten, name).Tensor for name in ("add", "sub", "mul", "div")
} | {
    getattr(_aten, name).default
    for name in (
        "clone", "sqrt", "rsqrt", "exp", "log", "neg", "relu", "sigmoid", "tanh", "silu", "gelu", "sign", "abs", "square", "sin",
        "cos", "erf",
    )
} | {_aten.pow.Tensor_Scalar}  # fmt: skip
"""Operators whose result has the type of their operands if these are floating-point and share one."""
IN_PLACE = {
    getattr(_aten, name).default for name in ("relu_", "sigmoid_", "tanh_", "silu_", "gelu_", "hardswish_", "hardtanh_")
} | {
    getattr(_aten, name).Tensor for name in ("add_", "sub_", "mul_", "div_")
}  # fmt: skip
"""Those that write to their first operand and return it."""
_FACTORS = {"alpha", "beta", "approximate"}
"""Options that change no layout, as ``memory_format`` does."""
_NUMBERS = {int, float, bool}


def plain_result(operator: Any, args: Any, kwargs: Any, tensors: list[torch.Tensor], fast: FakeTensors) -> Any:
    """The result of a call on fake tensors of one floating-point type; NotImplemented for any other call.

    They are in row-major order, but for the factors of a product, and no other order is asked for. ``tensors`` are those
    among ``args``.
    """
    shape_of = _SHAPES.get(operator)
    if shape_of is None or (kwargs and not kwargs.keys() <= _FACTORS):
        return NotImplemented
    first = tensors[0]
    dtype = first.dtype
    if first is not args[0] or not dtype.is_floating_point:
        return NotImplemented
    for other in args[1:]:
        if not (other.dtype == dtype if isinstance(other, torch.Tensor) else type(other) in _NUMBERS):
            return NotImplemented
    shape = shape_of(tensors)
    if shape is None:
        return NotImplemented
    return first if operator in IN_PLACE else fast.make(shape, contiguous_strides(shape), dtype)


def _of_elements(tensors: list[torch.Tensor]) -> Any:
    """The shape of operands in row-major order, of which one has that of the result."""
    shape = tensors[0].shape
    if any(tensor.shape != shape for tensor in tensors[1:]):
        shape = max((tensor.shape for tensor in tensors), key=lambda found: (len(found), found.numel()))
    for tensor in tensors:
        own = tensor.shape
        if tensor.stride() != contiguous_strides(own):
            return None
        if own != shape and any(
            size not in (1, whole) for size, whole in zip(reversed(own), reversed(shape), strict=False)
        ):
            return None
    return shape


def _of_first(tensors: list[torch.Tensor]) -> Any:
    """The shape of what is written to, which is that of any other operand, elsewhere in memory."""
    first, *others = tensors
    shape = first.shape
    if first.stride() != contiguous_strides(shape) or any(other.shape != shape for other in others):
        return None
    memory = first.untyped_storage()._cdata
    return None if any(other.untyped_storage()._cdata == memory for other in others) else shape


def _of_product(tensors: list[torch.Tensor]) -> Any:
    """The shape of a product of matrices, or of as many of them in two stacks."""
    (*stack, rows, inner), (*other, depth, columns) = tensors[0].shape, tensors[1].shape
    return (*stack, rows, columns) if inner == depth and stack == other else None


def _of_biased_product(tensors: list[torch.Tensor]) -> Any:
    """The shape of a product to which a row is added."""
    shape = _of_product(tensors[1:])
    return shape if shape is not None and tensors[0].shape == shape[-1:] else None


_SHAPES: dict[Any, Callable[[list[torch.Tensor]], Any]] = {
    **dict.fromkeys(ELEMENTWISE, _of_elements), **dict.fromkeys(IN_PLACE, _of_first),
    _aten.mm.default: _of_product, _aten.bmm.default: _of_product, _aten.addmm.default: _of_biased_product,
}  # fmt: skip
