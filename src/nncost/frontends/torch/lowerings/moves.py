"""Operators that only move elements: joining, padding, rolling, making."""

from __future__ import annotations

from typing import Any

from nncost.dims import Dim
from nncost.frontends.torch.lowering import Call, Lowered, lowers
from nncost.frontends.torch.lowerings.operands import cast
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor


@lowers("aten::cat", "aten::concat")
def _cat(call: Call) -> Lowered:
    rank = len(call.outputs[0][0])
    pieces = [cast(call.builder, x, call.dtype) for x in call["tensors"] if x.rank == rank]
    if len(pieces) == 1:
        return call.builder.map("identity", pieces[0])
    return call.builder.emit(ops.Concat(call.get("dim", 0) % rank), *pieces)


@lowers("aten::stack")
def _stack(call: Call) -> Tensor:
    b = call.builder
    axis = call.get("dim", 0) % len(call.outputs[0][0])
    pieces = [b.reshape(x, (*x.shape[:axis], 1, *x.shape[axis:])) for x in call["tensors"]]
    return b.emit(ops.Concat(axis), *pieces)


@lowers("aten::constant_pad_nd")
def _pad(call: Call) -> Tensor:
    x, widths = call.tensor("self"), call["pad"]
    before: list[Dim] = [0] * x.rank
    after: list[Dim] = [0] * x.rank
    for place in range(len(widths) // 2):
        axis = x.rank - 1 - place
        before[axis], after[axis] = widths[2 * place], widths[2 * place + 1]
    return call.builder.emit(ops.Pad(tuple(before), tuple(after), float(call.get("value", 0.0))), x)


@lowers("aten::flip")
def _flip(call: Call) -> Tensor:
    x = call.tensor("self")
    return call.builder.emit(ops.Flip(tuple(axis % x.rank for axis in call["dims"])), x)


@lowers("aten::roll")
def _roll(call: Call) -> Tensor:
    """Each axis cut in two and the halves swapped."""
    b, x = call.builder, call.tensor("self")
    shifts, dims = call["shifts"], call.get("dims", ())
    shape = x.shape
    if not dims:
        x, dims = b.reshape(x, (x.elements,)), (0,)
    for shift, dim in zip(shifts, dims, strict=True):
        size = x.shape[dim]
        first = size - shift % size
        if first in (0, size):
            continue
        head, tail = b.emit_many(ops.Split(dim % x.rank, (first, size - first)), x)
        x = b.emit(ops.Concat(dim % x.rank), tail, head)
    return b.reshape(x, shape)


@lowers("aten::repeat")
def _repeat(call: Call) -> Tensor:
    b, x, times = call.builder, call.tensor("self"), call["repeats"]
    shape = (*(1,) * (len(times) - x.rank), *x.shape)
    inner = tuple(dim for size in shape for dim in (1, size))
    outer = tuple(dim for time, size in zip(times, shape, strict=True) for dim in (time, size))
    whole = b.broadcast(b.reshape(x, inner), outer)
    return b.map("identity", b.reshape(whole, tuple(t * s for t, s in zip(times, shape, strict=True))))


def _constant(b: Builder, call: Call, kind: str, value: Any = 0.0) -> Tensor:
    shape, dtype = call.outputs[0]
    return b.emit(ops.Constant(kind, shape, dtype, value))  # type: ignore[arg-type]


@lowers(
    "aten::empty", "aten::zeros", "aten::ones", "aten::full", "aten::empty_strided", "aten::zeros_like", "aten::ones_like",
    "aten::empty_like", "aten::full_like", "aten::new_zeros", "aten::new_ones", "aten::new_empty", "aten::new_full",
    "aten::new_empty_strided", "aten::scalar_tensor", "aten::zero", "aten::_efficientzerotensor", "aten::fill",
    "aten::empty_permuted",
)  # fmt: skip
def _filled(call: Call) -> Tensor:
    """A constant; one that is filled in place is made anew."""
    ones = "ones" in call.name
    value = call.get("fill_value", call.get("value", call.get("s", 1.0 if ones else 0.0)))
    return _constant(call.builder, call, "fill", 0.0 if isinstance(value, Tensor) else value)


@lowers("aten::arange", "aten::linspace", "aten::logspace", "aten::range", "aten::tril_indices", "aten::triu_indices",
        "aten::hann_window", "aten::hamming_window")  # fmt: skip
def _counter(call: Call) -> Tensor:
    return _constant(call.builder, call, "iota")


@lowers("aten::eye")
def _eye(call: Call) -> Tensor:
    return _constant(call.builder, call, "fill")


@lowers("aten::tril", "aten::triu")
def _triangle(call: Call) -> Tensor:
    """Which elements stay is known before the model runs: a selection by a constant mask, 1 cmp each."""
    b, x = call.builder, call.tensor("self")
    mask = b.emit(ops.Constant("fill", x.shape, "bool", 1.0))
    return b.map("select", mask, x, b.emit(ops.Constant("fill", (), x.dtype, 0.0)))
