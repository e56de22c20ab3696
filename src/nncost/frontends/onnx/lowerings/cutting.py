"""Slices of tensors."""

from __future__ import annotations

from typing import Any, cast

from nncost.dims import Dim, is_symbolic, same
from nncost.errors import SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.values import Unlowered
from nncost.ir import ops
from nncost.ir.graph import Tensor

OPEN_END = 10**9
"""Exporters write a billion or the largest integer for an open end, before the first element or behind the last."""


@lowers("Slice")
def _slice(call: Call) -> Lowered:
    """Elements from start to end of each axis: a crop, then every ``step``-th, backwards from the end for a negative one."""
    value = call.value(0)
    starts, ends, axes, steps = _slice_bounds(call, len(value.shape))
    x = call.tensor(0)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        x = _sliced(call, x, axis, start, end, step)
    return call.like(value, x)


def _slice_bounds(call: Call, rank: int) -> tuple[list[Dim], list[Dim], tuple[int, ...], list[int]]:
    starts: list[Dim]
    ends: list[Dim]
    if call.opset < 10:
        starts, ends = [*(call.attributes.integers("starts") or [])], [*(call.attributes.integers("ends") or [])]
        axes, steps = call.attributes.integers("axes"), None
    else:
        starts, ends = call.integers(1), call.integers(2)
        axes = call.numbers(3) if call.has(3) else None
        steps = call.numbers(4) if call.has(4) else None
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise SourceError(f"starts {starts}, ends {ends}, axes {axes} and steps {steps} do not belong together.")
    return starts, ends, call.axes(axes, rank), steps


def _sliced(call: Call, x: Tensor, axis: int, start: Dim, end: Dim, step: int) -> Tensor:
    length, b = x.shape[axis], call.builder
    known = not any(map(is_symbolic, (length, start, end)))
    if step < 0:
        x = b.emit(ops.Flip((axis,)), x)
        first, behind = _backward_crop(length, start, end, step)
    elif known:
        begin, stop, _ = slice(start, end).indices(cast("int", length))
        first, behind = begin, length - max(begin, stop)
    else:
        first, behind = _crop(call, length, start, end)
    if first != 0 or behind != 0:
        x = b.pad(x, axis, -first, -behind)
    if abs(step) == 1 or x.shape[axis] == 0:
        return x
    return b.emit(ops.Stride(axis, abs(step)), x)


def _backward_crop(length: Dim, start: Dim, end: Dim, step: int) -> tuple[Dim, Dim]:
    """Elements to leave out before and behind the flipped axis; a start before the first element is the first one."""
    if not any(map(is_symbolic, (length, start, end))):
        size, at, stop = (cast("int", number) for number in (length, start, end))
        first = min(max(at + size if at < 0 else at, 0), size - 1)
        picked = range(first, min(max(stop + size if stop < 0 else stop, -1), size - 1), step)
        return (size - 1 - picked.start, picked.stop + 1) if picked else (0, length)
    whole = same(start, length - 1) or (not is_symbolic(start) and (start == -1 or start >= OPEN_END))
    if not whole or is_symbolic(end) or end > -OPEN_END:
        raise Unlowered("a part of a symbolic size backwards")
    return 0, 0


def _crop(call: Call, length: Dim, start: Dim, end: Dim) -> tuple[Dim, Dim]:
    """Elements to leave out before and behind; a symbolic size is taken to hold the whole slice, which is noted."""
    if not is_symbolic(start) and start <= -OPEN_END:
        start = 0
    if _is_empty(start, end):
        return 0, length
    if not is_symbolic(start) and not is_symbolic(end) and start < 0 < end < OPEN_END:
        raise Unlowered("a slice from before the end of an open size to behind its beginning")
    least = _least_length(start, end)
    if is_symbolic(length) and least > 1:
        call.note(f"{length} is taken to be at least {least}: it is cut there.")
    first = _from_front(length, start)
    if not is_symbolic(end) and end >= OPEN_END:
        return first, 0
    behind: Dim = -end if not is_symbolic(end) and end < 0 else length - _from_front(length, end)
    return first, 0 if is_symbolic(behind) and cast("Any", behind).is_negative else behind


def _is_empty(start: Dim, end: Dim) -> bool:
    """Whether nothing lies between two bounds, whatever the length."""
    if is_symbolic(start) or is_symbolic(end):
        return False
    return start >= OPEN_END or end <= -OPEN_END or (start >= end and (start < 0) == (end < 0))


def _least_length(start: Dim, end: Dim) -> int:
    """The length from which on a slice has as many elements as its bounds say."""
    bounds = [int(bound) for bound in (start, end) if not is_symbolic(bound) and abs(bound) < OPEN_END]
    most, least = max([0, *bounds]), min([0, *bounds])
    return max(most - least if most else 0, -least)


def _from_front(length: Dim, position: Dim) -> Dim:
    """A position counted from the front; a symbol, which is a size, is not negative unless it says so."""
    is_negative = cast("Any", position).is_negative if is_symbolic(position) else position < 0
    return length + position if is_negative else position
