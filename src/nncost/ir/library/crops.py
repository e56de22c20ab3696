"""Boxes cut out of images and resized to one size, as TensorFlow's crop_and_resize does."""

from __future__ import annotations

from functools import partial, reduce
from itertools import product as combinations
from typing import Literal

import numpy as np

from nncost.dims import Dim, exact_divide
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation


def crop_and_resize(
    b: Builder, x: Tensor, boxes: Tensor, image: Tensor, size: tuple[int, int], *, mode: Literal["linear", "nearest"],
    outside: float,
) -> Tensor:  # fmt: skip
    """``x`` (N, C, H, W) in ``boxes`` (K, 4) from 0 to 1, top, left, bottom and right, of the images (K,): (K, C, *size).

    A row of outputs takes 1 mul and 1 add for its place, 1 add for each share and 2 cmp; a point 1 mul for each of
    four shares, 4 mul and 3 add for each channel, and 1 cmp with what is ``outside``; the nearest element takes none.
    """
    with b.region(Operation("crop_and_resize"), x, boxes, image) as region:
        region.returns(_cropped(b, x, boxes, image, size, mode, outside))
    return region.outputs[0]


def _cropped(
    b: Builder, x: Tensor, boxes: Tensor, image: Tensor, size: tuple[int, int], mode: str, outside: float
) -> Tensor:
    count, (rows, columns) = boxes.shape[0], size
    top, left, bottom, right = b.chunk(boxes, 4, 1)
    down = _places(b, top, bottom, x.shape[2], rows)
    across = _places(b, left, right, x.shape[3], columns)
    plane = b.full((), x.shape[2] * x.shape[3], "int64")
    base = b.reshape(b.map("mul", b.emit(ops.Cast("int64"), image), plane), (count, 1, 1))
    flat, channels = (
        b.reshape(b.transpose(x, (1, 0, 2, 3)), (x.shape[1], exact_divide(x.elements, x.shape[1]))),
        x.shape[1],
    )
    corners = []
    for (row, high), (column, wide) in combinations(
        _shares(b, down, mode, x.shape[2]), _shares(b, across, mode, x.shape[3])
    ):
        along = b.reshape(b.map("mul", row, b.full((), x.shape[3], "int64")), (count, rows, 1))
        index = b.map("add", b.map("add", along, b.reshape(column, (count, 1, columns))), base)
        taken = b.emit(ops.Gather(1), flat, index)
        if high is not None and wide is not None:
            weight = b.map("mul", b.reshape(high, (count, rows, 1)), b.reshape(wide, (count, 1, columns)))
            taken = b.map("mul", taken, b.unsqueeze(weight, 0))
        corners.append(taken)
    inside = b.map(
        "and",
        b.reshape(_within(b, down, x.shape[2]), (count, rows, 1)),
        b.reshape(_within(b, across, x.shape[3]), (count, 1, columns)),
    )
    whole = b.broadcast(b.unsqueeze(inside, 0), (channels, count, rows, columns))
    return b.transpose(b.map("select", whole, reduce(partial(b.map, "add"), corners), outside), (1, 0, 2, 3))


def _places(b: Builder, start: Tensor, end: Tensor, length: Dim, points: int) -> Tensor:
    """Places of the points from one edge to the other, which are met exactly; the middle for a single point: (K, points)."""
    last = float(length - 1)
    if points == 1:
        return b.map("mul", b.map("mul", b.map("add", start, end), 0.5), last)
    first, final = b.map("mul", start, last), b.map("mul", end, last)
    if points == 2:
        return b.emit(ops.Concat(1), first, final)
    step = b.map("mul", b.map("sub", end, start), last / (points - 1))
    numbers = b.emit(ops.Constant("array", (1, points - 2), start.dtype, lambda: np.arange(1, points - 1)[None]))
    return b.emit(ops.Concat(1), first, b.map("add", b.map("mul", numbers, step), first), final)


def _shares(b: Builder, places: Tensor, mode: str, length: Dim) -> list[tuple[Tensor, Tensor | None]]:
    """The elements beside each place and their shares, or the nearest one."""
    if mode == "nearest":
        return [(_safe(b, b.map("floor", b.map("add", places, 0.5)), length), None)]
    first = b.map("floor", places)
    share = b.map("sub", places, first)
    return [(_safe(b, first, length), b.map("sub", 1.0, share)), (_safe(b, b.map("ceil", places), length), share)]


def _safe(b: Builder, index: Tensor, length: Dim) -> Tensor:
    """A whole number that is safe to look up."""
    low, high = (b.full((), bound, "int64") for bound in (0, length - 1))
    return b.map("min", b.map("max", b.emit(ops.Cast("int64"), index), low), high)


def _within(b: Builder, places: Tensor, length: Dim) -> Tensor:
    return b.map("and", b.map("greater_equal", places, 0.0), b.map("greater_equal", float(length - 1), places))
