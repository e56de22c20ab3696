"""Tensors with something around them, or cut to their middle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from nncost.dims import Dim, Shape, floor_divide, is_symbolic, shape_text
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.values import Unlowered
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.library.borders import Border, framed, pad_with_border

_BORDERS: dict[str, Border] = {"reflect": "reflect", "edge": "replicate", "wrap": "circular"}


@lowers("Pad")
def _pad_by_attributes(call: Call) -> Tensor:
    a = call.attributes
    return _padded(call, a.integers("pads" if "pads" in a else "paddings") or [], None, a.number("value", 0.0))


def _pad(call: Call) -> Tensor:
    pads = call.integers(1)
    if not call.has(2):
        return _padded(call, pads, 3, 0.0)
    filled = call.scalar(2)
    return _padded(call, pads, 3, call.constant(2) if filled is None else filled)


lowers("Pad", since=11)(_pad)
lowers("Pad", domain="com.microsoft")(_pad)


def _padded(call: Call, pads: Sequence[Dim], axes_at: int | None, filling: Tensor | float) -> Tensor:
    """Widths before each axis, then after each; negative ones crop. ``axes_at`` is the operand that names the axes."""
    x, mode = call.tensor(0), call.attributes.text("mode", "constant")
    axes = range(x.rank)
    if axes_at is not None and call.has(axes_at):
        axes = call.axes(call.numbers(axes_at), x.rank)  # type: ignore[assignment]
    if len(pads) != 2 * len(axes):
        raise SourceError(f"pads must have {2 * len(axes)} numbers, received {len(pads)}.")
    before, after = [*(0,) * x.rank], [*(0,) * x.rank]
    for number, axis in enumerate(axes):
        before[axis], after[axis] = pads[number], pads[len(axes) + number]
    _check_padded(x.shape, before, after)
    if mode == "constant":
        return framed(call.builder, x, tuple(before), tuple(after), filling)
    if mode not in _BORDERS:
        raise SourceError(f"mode is constant, {', '.join(_BORDERS)}, received {mode!r}.")
    return _with_border(call, x, before, after, _BORDERS[mode])


def _with_border(call: Call, x: Tensor, before: Sequence[Dim], after: Sequence[Dim], border: Border) -> Tensor:
    """Negative widths crop first, then the rest is mirrored, repeated or gone around."""
    widths = list(zip(before, after, strict=True))
    if any(map(is_symbolic, (*before, *after))):
        raise Unlowered("a border whose width is a symbol")
    crops = [tuple(min(0, cast("int", width)) for width in pair) for pair in widths]
    if any(map(any, crops)):
        low, high = zip(*crops, strict=True)
        x = call.builder.emit(ops.Pad(low, high), x)
    rest = [(max(0, cast("int", low)), max(0, cast("int", high))) for low, high in widths]
    padded = [size for size, pair in zip(x.shape, rest, strict=True) if any(pair)]
    if 0 in padded:
        raise ShapeError(f"there is nothing to repeat in {shape_text(x.shape)}.")
    return pad_with_border(call.builder, x, rest, border)


def _check_padded(shape: Shape, before: Sequence[Dim], after: Sequence[Dim]) -> None:
    sizes = [low + dim + high for low, dim, high in zip(before, shape, after, strict=True)]
    if any(not is_symbolic(size) and size < 0 for size in sizes):
        raise ShapeError(f"pads {list(before)} and {list(after)} leave nothing of {shape_text(shape)}.")


@lowers("CenterCropPad", since=18)
def _center_crop_pad(call: Call) -> Lowered:
    """The middle of each axis cut out, or zeros around it; the odd element is behind."""
    value, sizes = call.value(0), call.integers(1)
    rank = len(value.shape)
    given = call.attributes.integers("axes")
    axes = tuple(range(rank)) if given is None else call.axes(given, rank)
    if len(axes) != len(sizes):
        raise ShapeError(f"{len(sizes)} sizes for {len(axes)} axes.")
    before, after = [*(0,) * rank], [*(0,) * rank]
    for axis, size in zip(axes, sizes, strict=True):
        low, high = _around(size - value.shape[axis])
        before[axis], after[axis] = low, high
    return call.like(value, call.builder.emit(ops.Pad(tuple(before), tuple(after)), call.tensor(0)))


def _around(missing: Dim) -> tuple[Dim, Dim]:
    """A width before and one behind, which is the larger one, of elements that are missing or (below zero) too many."""
    if is_symbolic(missing):
        less = floor_divide(missing, 2)
        return less, missing - less
    less = abs(missing) // 2 * (1 if missing > 0 else -1)
    return less, missing - less
