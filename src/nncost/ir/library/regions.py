"""Pooling inside regions of an image, as detectors do: each region is a box, each of its bins gives one output.

``roi_align`` (He et al. 2017, arXiv 1703.06870) averages ``samples``² points of each bin. A row of points takes
1 mul and 1 add for its coordinate, which is compared with the image (2 cmp) and drawn to its border (2 cmp);
the shares of its two neighbours are 2 add, and 2 cmp leave out what is outside. A point multiplies the shares of
its four corners once for all channels, then takes 4 mul and 3 add for each channel. With ``per_bin`` each bin
reads channels of its own (position-sensitive, Dai et al. 2016, arXiv 1605.06409).
"""

from __future__ import annotations

from functools import partial, reduce
from itertools import product as combinations
from typing import Any

import numpy as np

from nncost.dims import Dim, exact_divide
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.records import record

Array = Any
Neighbour = tuple[Tensor, Tensor]
"""A row or column of the image for each coordinate, as an index, and its share."""


@record
class Bins:
    """How regions are divided: ``size`` bins along each axis with ``samples`` points there; boxes are scaled by ``scale``.

    ``aligned`` boxes are moved by half an element; boxes that are not have one element at least. A bin is the mean of
    its points, or the ``largest`` of the products of a point's corners with their shares.
    """

    size: tuple[int, int]
    samples: tuple[int, int]
    scale: float
    aligned: bool
    per_bin: bool = False
    largest: bool = False


def region_align(b: Builder, x: Tensor, boxes: Tensor, bins: Bins) -> Tensor:
    """``x`` (N, C, H, W) in ``boxes`` (K, 5), a number of an image and two corners: (K, C, *size), or (K, C/∏size, *size)."""
    with b.region(Operation("roi_align"), x, boxes) as region:
        region.returns(aligned_points(b, x, boxes, bins))
    return region.outputs[0]


def aligned_points(b: Builder, x: Tensor, boxes: Tensor, bins: Bins) -> Tensor:
    """What :func:`region_align` computes, outside a region of its own."""
    count, rows, columns = boxes.shape[0], *(size * each for size, each in zip(bins.size, bins.samples, strict=True))
    image, *corners = (b.reshape(piece, (count, 1)) for piece in b.chunk(boxes, 5, 1))
    left, top, right, bottom = (_scaled(b, corner, bins) for corner in corners)
    heights = _neighbours(b, _coordinates(b, top, bottom, bins, 0), x.shape[2])
    widths = _neighbours(b, _coordinates(b, left, right, bins, 1), x.shape[3])
    flat, channels = _by_channel(b, x, bins)
    plane = x.shape[2] * x.shape[3]
    first = b.map("mul", b.emit(ops.Cast("int64"), image), b.full((), plane, "int64"))
    base = b.reshape(first, (count, 1, 1))
    if bins.per_bin:
        places = ops.Constant("array", (1, rows, columns), "int64", partial(_planes, bins, x.shape[0] * plane))
        base = b.map("add", base, b.emit(places))
    sampled = []
    for (row, down), (column, across) in combinations(heights, widths):
        along = b.map("mul", row, b.full((), x.shape[3], "int64"))
        index = b.map("add", b.reshape(along, (count, rows, 1)), b.reshape(column, (count, 1, columns)))
        index = b.reshape(b.map("add", index, base), (count * rows * columns,))
        weight = b.map("mul", b.reshape(down, (count, rows, 1)), b.reshape(across, (count, 1, columns)))
        taken = b.emit(ops.Gather(1), flat, index)
        sampled.append(b.map("mul", taken, b.reshape(weight, (1, count * rows * columns))))
    total = reduce(partial(b.map, "max" if bins.largest else "add"), sampled)
    (high, wide), (down_each, across_each) = bins.size, bins.samples
    points = b.reshape(total, (channels, count, high, down_each, wide, across_each))
    pooled = b.reduce("max", points, [3, 5]) if bins.largest else b.mean(points, [3, 5])
    return b.transpose(pooled, (1, 0, 2, 3))


def _scaled(b: Builder, corner: Tensor, bins: Bins) -> Tensor:
    """A coordinate of a box in elements of the image."""
    scaled = b.map("mul", corner, bins.scale)
    return b.map("sub", scaled, 0.5) if bins.aligned else scaled


def _coordinates(b: Builder, start: Tensor, end: Tensor, bins: Bins, axis: int) -> Tensor:
    """The coordinates of all points along an axis: (K, bins·samples)."""
    length = b.map("sub", end, start)
    if not bins.aligned:
        length = b.map("max", length, 1.0)
    points = bins.size[axis] * bins.samples[axis]
    step = b.map("div", length, float(points))
    middles = ops.Constant("array", (1, points), start.dtype, partial(_middles, points))
    return b.map("add", b.map("mul", b.emit(middles), step), start)


def _neighbours(b: Builder, position: Tensor, size: Dim) -> list[Neighbour]:
    """The elements before and after each coordinate with their shares; both are zero beyond one element outside."""
    last = float(size - 1)
    inside = b.map("and", b.map("greater_equal", position, -1.0), b.map("greater_equal", float(size), position))
    clipped = b.map("clip", position, 0.0, last)
    first = b.map("floor", clipped)
    share = b.map("sub", clipped, first)
    below = b.emit(ops.Cast("int64"), first)
    above = b.map("min", b.map("add", below, b.full((), 1, "int64")), b.full((), size - 1, "int64"))
    kept = [b.map("select", inside, each, 0.0) for each in (b.map("sub", 1.0, share), share)]
    return [(below, kept[0]), (above, kept[1])]


def _by_channel(b: Builder, x: Tensor, bins: Bins) -> tuple[Tensor, Dim]:
    """The image as rows of all its elements, one for each channel of the result: (C, planes·elements)."""
    images, channels, high, wide = x.shape
    if not bins.per_bin:
        return b.reshape(b.transpose(x, (1, 0, 2, 3)), (channels, images * high * wide)), channels
    planes = bins.size[0] * bins.size[1]
    left = exact_divide(channels, planes)
    turned = b.transpose(b.reshape(x, (images, left, planes, high * wide)), (1, 2, 0, 3))
    return b.reshape(turned, (left, planes * images * high * wide)), left


def _middles(points: int) -> object:
    return (np.arange(points) + 0.5)[None]


def _planes(bins: Bins, elements: int) -> object:
    """Where the elements begin that each point's bin reads."""
    rows, columns = (np.repeat(np.arange(size), each) for size, each in zip(bins.size, bins.samples, strict=True))
    return ((rows[:, None] * bins.size[1] + columns[None]) * elements)[None]
