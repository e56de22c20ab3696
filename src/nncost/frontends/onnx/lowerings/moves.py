"""Joining, cutting, padding and repeating tensors."""

from __future__ import annotations

from typing import cast

from nncost.dims import Dim, Shape, exact_divide, is_symbolic, shape_text
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.values import Unlowered
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.library import shuffles
from nncost.ir.library.borders import Border, pad_with_border
from nncost.units import counted


@lowers("Concat")
def _concat(call: Call) -> Lowered:
    if not call.values:
        raise SourceError("it has no operands.")
    rank = len(call.value(0).shape)
    axis = call.axis(call.attributes.integer("axis", 1), rank)
    return call.builder.concat([call.tensor(position) for position in range(len(call.values))], axis)


@lowers("Split")
def _split(call: Call) -> Lowered:
    value = call.value(0)
    axis = call.axis(call.attributes.integer("axis", 0), len(value.shape))
    sizes = _split_sizes(call, value.shape[axis])
    if len(sizes) != len(call.node.output):
        raise ShapeError(f"{counted(len(sizes), 'size')} for {counted(len(call.node.output), 'output')}.")
    pieces = call.builder.emit_many(ops.Split(axis, sizes), call.tensor(0))
    return tuple(call.like(value, piece) for piece in pieces)


def _split_sizes(call: Call, length: Dim) -> tuple[Dim, ...]:
    """The sizes given, or equal ones; with num_outputs the last one may be smaller."""
    given = call.integers_at(1, "split", 13)
    if given is not None:
        if any(size < 0 for size in given):
            raise ShapeError(f"sizes are at least 0, received {given}.")
        return tuple(given)
    count = len(call.node.output)
    if is_symbolic(length) or call.opset < 18:
        return (exact_divide(length, count),) * count
    size = -(cast("int", length) // -count)
    return (*(size,) * (count - 1), length - size * (count - 1))


@lowers("Slice", since=1)
def _slice(call: Call) -> Lowered:
    """Elements from start to end of each axis: a crop, then every ``step``-th, backwards from the end for a negative one."""
    value = call.value(0)
    rank = len(value.shape)
    starts, ends, axes, steps = _slice_bounds(call, rank)
    x = call.tensor(0)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        x = _sliced(call, x, axis, start, end, step)
    return call.like(value, x)


def _slice_bounds(call: Call, rank: int) -> tuple[list[int], list[int], tuple[int, ...], list[int]]:
    if call.opset < 10:
        starts, ends = call.attributes.integers("starts") or [], call.attributes.integers("ends") or []
        axes, steps = call.attributes.integers("axes"), None
    else:
        starts, ends = call.numbers(1), call.numbers(2)
        axes = call.numbers(3) if call.has(3) else None
        steps = call.numbers(4) if call.has(4) else None
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise SourceError(f"starts {starts}, ends {ends}, axes {axes} and steps {steps} do not belong together.")
    return starts, ends, call.axes(axes, rank), steps


def _sliced(call: Call, x: Tensor, axis: int, start: int, end: int, step: int) -> Tensor:
    length, b = x.shape[axis], call.builder
    if step < 0:
        if is_symbolic(length):
            raise Unlowered("a backward slice of a symbolic size")
        x = b.emit(ops.Flip((axis,)), x)
        picked = range(cast("int", length))[start : end if end >= -cast("int", length) else None : step]
        first, behind = (cast("int", length) - 1 - picked.start, picked.stop + 1) if len(picked) else (0, length)
    else:
        first, behind = _crop(length, start, end)
    if first != 0 or behind != 0:
        x = b.pad(x, axis, -first, -behind)
    return x if abs(step) == 1 else b.emit(ops.Stride(axis, abs(step)), x)


def _crop(length: Dim, start: int, end: int) -> tuple[Dim, Dim]:
    """Elements to leave out before and behind; a symbolic size is taken to hold the whole slice."""
    if not is_symbolic(length):
        begin, stop, _ = slice(start, end).indices(cast("int", length))
        return begin, length - stop
    first: Dim = start if start >= 0 else length + start
    behind: Dim = -end if end < 0 else length - end
    return first, 0 if end >= _OPEN_END else behind


_OPEN_END = 10**9
"""Exporters write a billion or the largest integer for an open end."""


_BORDERS: dict[str, Border] = {"reflect": "reflect", "edge": "replicate", "wrap": "circular"}


@lowers("Pad")
def _pad(call: Call) -> Tensor:
    x = call.tensor(0)
    mode = call.attributes.text("mode", "constant")
    if call.opset < 11:
        pads = call.attributes.integers("pads" if "pads" in call.attributes else "paddings") or []
        value, axes = call.attributes.number("value", 0.0), range(x.rank)
    else:
        pads = call.numbers(1)
        filled = call.scalar(2) if call.has(2) else 0.0
        if filled is None:
            raise Unlowered("its filling is computed")
        value = filled
        axes = call.axes(call.numbers(3), x.rank) if call.has(3) else range(x.rank)  # type: ignore[assignment]
    if len(pads) != 2 * len(axes):
        raise SourceError(f"pads must have {2 * len(axes)} numbers, received {len(pads)}.")
    before, after = [0] * x.rank, [0] * x.rank
    for number, axis in enumerate(axes):
        before[axis], after[axis] = pads[number], pads[len(axes) + number]
    _check_padded(x.shape, before, after)
    if mode == "constant":
        return call.builder.emit(ops.Pad(tuple(before), tuple(after), value), x)
    if mode not in _BORDERS:
        raise SourceError(f"mode is constant, {', '.join(_BORDERS)}, received {mode!r}.")
    if min(pads) < 0:
        raise Unlowered(f"padding by {mode} of less than nothing")
    return pad_with_border(call.builder, x, list(zip(before, after, strict=True)), _BORDERS[mode])


def _check_padded(shape: Shape, before: list[int], after: list[int]) -> None:
    sizes = [low + dim + high for low, dim, high in zip(before, shape, after, strict=True)]
    if any(not is_symbolic(size) and size < 0 for size in sizes):
        raise ShapeError(f"pads {before} and {after} leave nothing of {shape_text(shape)}.")


@lowers("Tile", since=6)
def _tile(call: Call) -> Tensor:
    """Each axis repeated as a whole."""
    x, repeats = call.tensor(0), call.integers(1)
    if len(repeats) != x.rank or any(not is_symbolic(times) and times < 0 for times in repeats):
        raise ShapeError(f"repeats {repeats} do not fit {shape_text(x.shape)}.")
    return shuffles.tile(call.builder, x, repeats)
