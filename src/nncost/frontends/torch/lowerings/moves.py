"""Operators that only move elements: joining, padding, rolling, making."""

from __future__ import annotations

from nncost.dims import Dim
from nncost.frontends.torch.lowerings.operands import cast
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
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
    typed = [cast(b, x, call.dtype) for x in call["tensors"]]
    pieces = [b.reshape(x, (*x.shape[:axis], 1, *x.shape[axis:])) for x in typed]
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
