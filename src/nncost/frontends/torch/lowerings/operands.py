"""What lowerings share: operands in the type of the result, scalars, numbers of options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

from nncost.dims import Dim
from nncost.frontends.torch.lowering import Call
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor

Value = Union[Tensor, float]


def cast(b: Builder, x: Tensor, dtype: str) -> Tensor:
    """``x`` in another type; ``x`` itself where it has that type."""
    return x if x.dtype == dtype else b.emit(ops.Cast(dtype), x)


def operand(call: Call, value: Any, dtype: str | None = None) -> Value:
    """A tensor in the type of the result, or a number."""
    if isinstance(value, Tensor):
        return cast(call.builder, value, dtype or call.dtype)
    if isinstance(value, complex):
        return value.real
    return float(value)


def constant(b: Builder, value: float, dtype: str) -> Tensor:
    """A scalar of a type."""
    return b.emit(ops.Constant("fill", (), dtype, value))


def elementwise(call: Call, function: str, *values: Any, dtype: str | None = None) -> Tensor:
    """A map whose operands broadcast and have one type; numbers take that type too."""
    b, target = call.builder, dtype or call.dtype
    tensors = [operand(call, value, target) for value in values]
    return b.map(function, *(t if isinstance(t, Tensor) else constant(b, t, target) for t in tensors))


def several(value: Any, count: int) -> tuple[int, ...]:
    """One number for each axis; a single one stands for all."""
    numbers = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return numbers * count if len(numbers) == 1 else numbers


def axes_of(call: Call, x: Tensor, name: str = "dim") -> list[int]:
    """The axes named by an argument; all of them where there is none."""
    value = call.arguments.get(name)
    if value is None or value == () or value == []:
        return list(range(x.rank))
    axes: Sequence[int] = (value,) if isinstance(value, int) else value
    return sorted({axis % x.rank for axis in axes}) if x.rank else []


def shaped(b: Builder, x: Tensor, shape: Sequence[Dim]) -> Tensor:
    """``x`` with other axes, the same elements."""
    return b.reshape(x, tuple(shape))


def kept_shape(x: Tensor, axes: Sequence[int]) -> tuple[Dim, ...]:
    """``x``'s shape with the axes at size one."""
    return tuple(1 if axis in axes else dim for axis, dim in enumerate(x.shape))
