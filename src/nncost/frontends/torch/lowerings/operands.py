"""What lowerings share: operands in the type of the result, scalars, numbers of options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Union

from nncost.dims import Dim
from nncost.frontends.torch.lowerings.registry import Call, Lowered, Lowering, lowering_for
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor

Value = Union[Tensor, float]


def cast(b: Builder, x: Tensor, dtype: str) -> Tensor:
    """``x`` in another type; ``x`` itself if it has that type."""
    return x if x.dtype == dtype else b.emit(ops.Cast(dtype), x)


def operand(call: Call, value: Any, dtype: str | None = None) -> Value:
    """A tensor in the type of the result, or a number."""
    if isinstance(value, Tensor):
        return cast(call.builder, value, dtype or call.dtype)
    if isinstance(value, complex):
        return value.real
    # A size as a factor stays as it is: nothing that is counted depends on the value.
    return value if hasattr(value, "free_symbols") else float(value)


def typed(call: Call, name: str) -> Tensor:
    """The tensor of an argument in the type of the result."""
    return cast(call.builder, call.tensor(name), call.dtype)


def unary(compute: Callable[..., Tensor], *settings: str) -> Lowering:
    """The lowering of ``compute(builder, x, *settings)``: a function of the argument ``self`` in the type of the result."""
    return lambda call: compute(call.builder, typed(call, "self"), *(call.get(name) for name in settings))


def binary(compute: Callable[..., Tensor], other: str = "other") -> Lowering:
    """The lowering of ``compute(builder, x, y)``: a function of ``self`` and another argument, tensors or numbers."""
    return lambda call: compute(call.builder, operand(call, call["self"]), operand(call, call[other]))


def constant(b: Builder, value: float, dtype: str) -> Tensor:
    """A scalar of a type; among complex numbers a real one, which is cheaper to multiply by."""
    return b.full((), value, _REAL_PARTS.get(dtype, dtype))


_REAL_PARTS = {"complex32": "float16", "complex64": "float32", "complex128": "float64"}
"""The type of the two parts of a complex number."""


def elementwise(call: Call, function: str, *values: Any, dtype: str | None = None) -> Tensor:
    """A map whose operands broadcast and have one type; numbers take that type too.

    A real tensor beside a complex one stays real if it is added, multiplied or divided by.
    """
    b, target = call.builder, dtype or call.dtype
    if target in _REAL_PARTS and function in ("add", "sub", "mul", "div"):
        return _with_complex(call, function, target, list(values))
    tensors = [operand(call, value, target) for value in values]
    return b.map(function, *(t if isinstance(t, Tensor) else constant(b, t, target) for t in tensors))


def scaled(call: Call, value: Any, factor: Any) -> Any:
    """``factor·value``; a factor of one and a product of numbers are free."""
    if factor in (None, 1):
        return value
    return elementwise(call, "mul", value, factor) if isinstance(value, Tensor) else value * factor


def _with_complex(call: Call, function: str, target: str, values: list[Any]) -> Tensor:
    """Real operands in the type of the parts; the complex one gives the result its type and comes first where it may."""
    b, part = call.builder, _REAL_PARTS[target]
    tensors = []
    for value in values:
        if isinstance(value, Tensor):
            tensors.append(cast(b, value, target if value.dtype.startswith("complex") else part))
        elif isinstance(value, complex) and value.imag:
            tensors.append(b.full((), value, target))
        else:
            tensors.append(constant(b, operand(call, value), target))  # type: ignore[arg-type]
    if not tensors[0].dtype.startswith("complex"):
        if function in ("add", "mul"):
            tensors.reverse()
        if not tensors[0].dtype.startswith("complex") and (function in ("add", "mul", "sub") or tensors[0].rank):
            tensors[0] = cast(b, tensors[0], target)
    return b.map(function, *tensors)


def several(value: Any, count: int) -> tuple[int, ...]:
    """One number per axis; a single one stands for all."""
    numbers = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return numbers * count if len(numbers) == 1 else numbers


def batched(b: Builder, x: Tensor, rank: int) -> Tensor:
    """A single example of ``rank`` − 1 axes as a batch of one; ``x`` itself if it has ``rank`` axes."""
    return x if x.rank == rank else b.unsqueeze(x, 0)


def axes_of(call: Call, x: Tensor, name: str = "dim") -> list[int]:
    """The axes named by an argument; all of them if it is not given."""
    value = call.arguments.get(name)
    if value is None or value == () or value == []:
        return list(range(x.rank))
    axes: Sequence[int] = (value,) if isinstance(value, int) else value
    return sorted({axis % x.rank for axis in axes}) if x.rank else []


def tensors_of(call: Call) -> list[Tensor]:
    """Every tensor among the arguments once, lists opened."""
    found: dict[Tensor, None] = {}
    for value in call.arguments.values():
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Tensor):
                found[item] = None
    return list(found)


def algorithm(
    call: Call,
    counts: Mapping[str, Dim],
    *,
    estimated: bool = False,
    name: str = "",
    reads: Sequence[Tensor] | None = None,
) -> list[Tensor]:
    """A named algorithm with the call's outputs and these amounts; with ``reads``, of those tensors only."""
    op = ops.Algorithm(
        name or call.name.partition("::")[2].strip("_"), call.outputs, counts, ops.ESTIMATED if estimated else ""
    )
    return list(call.builder.emit_many(op, *(tensors_of(call) if reads is None else reads)))


def lowered_as(
    call: Call, name: str, arguments: Mapping[str, Any], outputs: Sequence[ops.TensorType] | None = None
) -> list[Tensor | None]:
    """What ``aten::name`` emits for these arguments, inside the lowering of another operator."""
    lowering = lowering_for(f"aten::{name}", "")
    if lowering is None:
        raise NotImplementedError(name)
    given = tuple(outputs or call.outputs)
    lowered = lowering(Call(call.builder, f"aten::{name}", "", arguments, given, call.parameters, call.stored))
    return [lowered] if lowered is None or isinstance(lowered, Tensor) else list(lowered)


def tensor_as(
    call: Call, name: str, arguments: Mapping[str, Any], outputs: Sequence[ops.TensorType] | None = None
) -> Tensor:
    """The first result of :func:`lowered_as`."""
    first = lowered_as(call, name, arguments, outputs)[0]
    assert first is not None
    return first


def closed_form(counts: Callable[[Call], Mapping[str, Dim]], *, estimated: bool = False) -> Lowering:
    """The lowering of a named algorithm whose amounts follow from the call."""
    return lambda call: algorithm(call, counts(call), estimated=estimated)


def moved(call: Call) -> Lowered:
    """Elements read once and written once, in another order or format: no arithmetic."""
    return algorithm(call, {})
