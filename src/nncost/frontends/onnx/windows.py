"""Kernels, strides, dilations and paddings as convolutions and poolings write them."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.dims import Dim, is_symbolic
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.values import Unlowered
from nncost.ir.library.windows import halves, same_padding
from nncost.ir.library.windows import overhang as overhang_of
from nncost.records import record
from nncost.units import counted

Padding = list[tuple[Dim, Dim]]


@record
class WindowSizes:
    """The window on each spatial axis; ``overhang`` is what ceil_mode adds to the padding after it."""

    kernel: list[Dim]
    strides: list[int]
    dilations: list[int]
    padding: Padding
    overhang: list[Dim]

    @property
    def whole_padding(self) -> Padding:
        """The padding with the overhang."""
        return [(low, high + over) for (low, high), over in zip(self.padding, self.overhang, strict=True)]


def window_sizes(call: Call, lengths: Sequence[Dim], kernel: Sequence[Dim] | None = None) -> WindowSizes:
    """The windows over spatial axes of the given lengths; poolings read their kernel from the node.

    Raise SourceError for attributes of the wrong length or sign, ShapeError for a kernel that
    contradicts the weights.
    """
    axes = len(lengths)
    named = _per_axis(call, "kernel_shape", axes, None, least=1)
    if kernel is None and named is None:
        raise SourceError("the attribute 'kernel_shape' is missing.")
    sizes: list[Dim] = list(kernel if kernel is not None else named or [])
    if named is not None and any(not is_symbolic(a) and a != b for a, b in zip(sizes, named, strict=True)):
        raise ShapeError(f"kernel_shape {named} contradicts weights with a kernel of {sizes}.")
    strides = _per_axis(call, "strides", axes, 1, least=1) or []
    dilations = _per_axis(call, "dilations", axes, 1, least=1) or []
    reaches = [d * (k - 1) + 1 for k, d in zip(sizes, dilations, strict=True)]
    padding = paddings(call, lengths, reaches, strides)
    overhang: list[Dim] = [0] * axes
    if call.attributes.flag("ceil_mode", False):
        every = zip(lengths, padding, reaches, strides, strict=True)
        overhang = [overhang_of(n, *widths, reach, stride) for n, widths, reach, stride in every]
    return WindowSizes(sizes, strides, dilations, padding, overhang)


def settings_of_windows(call: Call, axes: int) -> tuple[list[int], list[int], list[tuple[int, int]]]:
    """Strides, dilations and paddings as a node states them for so many axes."""
    strides = _per_axis(call, "strides", axes, 1, least=1) or []
    dilations = _per_axis(call, "dilations", axes, 1, least=1) or []
    pads = _per_axis(call, "pads", 2 * axes, 0, least=0) or []
    return strides, dilations, list(zip(pads[:axes], pads[axes:], strict=True))


def paddings(call: Call, lengths: Sequence[Dim], reaches: Sequence[Dim], strides: Sequence[int]) -> Padding:
    """Widths before and after each spatial axis, from ``pads`` or ``auto_pad``."""
    mode, axes = call.attributes.text("auto_pad", "NOTSET"), len(lengths)
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        totals = [_same_total(*axis) for axis in zip(lengths, reaches, strides, strict=True)]
        return [split_padding(total, mode) for total in totals]
    if mode not in ("NOTSET", "VALID", ""):
        raise SourceError(f"auto_pad is NOTSET, SAME_UPPER, SAME_LOWER or VALID, received {mode!r}.")
    pads = _per_axis(call, "pads", 2 * axes, 0, least=0) or []
    return [(0, 0)] * axes if mode == "VALID" else list(zip(pads[:axes], pads[axes:], strict=True))


def split_padding(total: Dim, mode: str) -> tuple[Dim, Dim]:
    """A width in two halves; the odd element goes behind (SAME_UPPER) or in front (SAME_LOWER)."""
    less, more = halves(total)
    return (less, more) if mode == "SAME_UPPER" else (more, less)


def _same_total(length: Dim, reach: Dim, stride: int) -> Dim:
    total = same_padding(length, reach, stride)
    if total is None:
        raise Unlowered("auto_pad with a stride over a symbolic size")
    return total


def _per_axis(call: Call, name: str, count: int, default: int | None, *, least: int) -> list[int] | None:
    numbers = call.attributes.integers(name)
    if not numbers:
        return None if default is None else [default] * count
    if len(numbers) != count:
        raise SourceError(f"the attribute {name!r} must have {counted(count, 'number')}, received {len(numbers)}.")
    if min(numbers) < least:
        raise SourceError(f"the attribute {name!r} must have numbers of at least {least}, received {numbers}.")
    return numbers
