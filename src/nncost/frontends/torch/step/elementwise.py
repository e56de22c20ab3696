"""Elementwise operators on fake tensors whose result's layout is plain: PyTorch's own meta kernels take long to tell it."""

from __future__ import annotations

from typing import Any

import torch

from nncost.frontends.torch.step.fake_tensors import FakeTensors, contiguous_strides

_OPERATORS = {
    getattr(torch.ops.aten, name).Tensor for name in ("add", "sub", "mul", "div")
} | {
    getattr(torch.ops.aten, name).default
    for name in (
        "clone", "sqrt", "rsqrt", "exp", "log", "neg", "relu", "sigmoid", "tanh", "silu", "gelu", "sign", "abs", "square", "sin",
        "cos", "erf",
    )
} | {torch.ops.aten.pow.Tensor_Scalar}  # fmt: skip
"""Operators whose result has the type of their operands if these are floating-point and share one."""
_NUMBERS = {int, float, bool}


def elementwise(operator: Any, args: Any, tensors: list[torch.Tensor], fast: FakeTensors) -> Any:
    """The result of a call on fake tensors of one floating-point type; NotImplemented for any other call.

    They are in row-major order, and one has the shape of the result. ``tensors`` are those among ``args``.
    """
    if operator not in _OPERATORS or tensors[0] is not args[0]:
        return NotImplemented
    first = tensors[0]
    shape, dtype = first.shape, first.dtype
    if not dtype.is_floating_point:
        return NotImplemented
    for other in args[1:]:
        if not isinstance(other, torch.Tensor):
            if type(other) not in _NUMBERS:
                return NotImplemented
        elif other.dtype != dtype:
            return NotImplemented
        elif other.shape != shape:
            return _broadcast(tensors, fast)
    strides = contiguous_strides(shape)
    if any(tensor.stride() != strides for tensor in tensors):
        return NotImplemented
    return fast.make(shape, strides, dtype)


def _broadcast(tensors: list[torch.Tensor], fast: FakeTensors) -> Any:
    """The result in row-major order, as that of operands in that order is."""
    shape = max((tensor.shape for tensor in tensors), key=lambda found: (len(found), found.numel()))
    for tensor in tensors:
        own = tensor.shape
        if any(size not in (1, whole) for size, whole in zip(reversed(own), reversed(shape), strict=False)):
            return NotImplemented
        if tensor.stride() != contiguous_strides(own) or tensor.dtype != tensors[0].dtype:
            return NotImplemented
    return fast.make(shape, contiguous_strides(shape), tensors[0].dtype)
