"""Pooling inside regions whose own size decides how many points or elements a bin has.

Where the boxes are data, amounts are those of boxes that cover the whole image: an upper bound, *estimated*.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product as combinations
from typing import Any

import numpy as np

from nncost.dims import Dim, Shape, ceil_divide, product
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.execute import execute
from nncost.ir.graph import Tensor
from nncost.ir.library.regions import Bins, aligned_points
from nncost.records import replace

Array = Any


def region_align_by_size(b: Builder, x: Tensor, boxes: Tensor, bins: Bins, points: Dim | None = None) -> Tensor:
    """As :func:`region_align` with about a point for each element: ``points`` of all boxes' bins, or as many as there can be."""
    shape = (boxes.shape[0], x.shape[1], *bins.size)
    each = points if points is not None else boxes.shape[0] * largest_bin(x.shape, bins.size)
    counts = sampled_counts(x.shape[1] * product(bins.size) * each, product(shape))
    run: Callable[..., Array] = lambda image, corners: _aligned_by_size(image, corners, bins)  # noqa: E731
    return b.emit(ops.Algorithm("roi_align", ((shape, x.dtype),), counts, ops.ESTIMATED, run), x, boxes)


def sampled_counts(points: Dim, outputs: Dim) -> dict[str, Dim]:
    """4 mul and 3 add for each point and channel, and the means of so many outputs."""
    return {"mul": 4 * points, "add": 4 * points - outputs, "div": outputs}


def largest_bin(image: Shape, size: tuple[int, int]) -> Dim:
    """The elements of a bin of a box that covers the whole image (N, C, H, W)."""
    return product(ceil_divide(n, bins) for n, bins in zip(image[2:], size, strict=True))


def points_of(corners: Array, bins: Bins) -> Array:
    """How many points each box (K, 5) has in a bin along each axis: (K, 2)."""
    edges = corners[:, 1:] * corners.dtype.type(bins.scale) - corners.dtype.type(0.5 if bins.aligned else 0.0)
    lengths = np.stack([edges[:, 3] - edges[:, 1], edges[:, 2] - edges[:, 0]], 1)
    lengths = lengths if bins.aligned else np.maximum(lengths, 1.0)
    return np.maximum(np.ceil(lengths / np.asarray(bins.size, dtype=corners.dtype)), 0).astype(np.int64)


def _aligned_by_size(image: Array, corners: Array, bins: Bins) -> Array:
    """Each box by itself, with its own number of points; the mean of none is zero."""
    result = np.zeros((len(corners), image.shape[1], *bins.size), dtype=image.dtype)
    for number, samples in enumerate(points_of(corners, bins).tolist()):
        if 0 not in samples:
            b = Builder(dtype=str(image.dtype))
            x, box = b.input(image.shape), b.input((1, 5))
            y = aligned_points(b, x, box, replace(bins, samples=tuple(samples)))
            result[number] = execute(b.graph(y), {x: image, box: corners[number : number + 1]}, dtype=b.dtype)[y][0]
    return result


def region_max(b: Builder, x: Tensor, boxes: Tensor, size: tuple[int, int], scale: float) -> Tensor:
    """The largest element of each bin of ``boxes`` (K, 5), whole elements; at most those of a box that covers the image."""
    shape = (boxes.shape[0], x.shape[1], *size)
    counts = {"cmp": product(shape) * (largest_bin(x.shape, size) - 1)}
    run: Callable[..., Array] = lambda image, corners: _maxima(image, corners, size, scale)  # noqa: E731
    return b.emit(ops.Algorithm("roi_pool", ((shape, x.dtype),), counts, ops.ESTIMATED, run), x, boxes)


def _maxima(image: Array, corners: Array, size: tuple[int, int], scale: float) -> Array:
    """Girshick's pooling (2015, arXiv 1504.08083): corners are rounded, bins overlap, an empty one is zero."""
    result = np.zeros((len(corners), image.shape[1], *size), dtype=image.dtype)
    scaled = corners[:, 1:] * corners.dtype.type(scale)
    edges = (np.sign(scaled) * np.floor(np.abs(scaled) + 0.5)).astype(np.int64)
    for number, (left, top, right, bottom) in enumerate(edges.tolist()):
        rows = _bounds(top, bottom, size[0], image.shape[2], corners.dtype.type)
        columns = _bounds(left, right, size[1], image.shape[3], corners.dtype.type)
        for (r, (low, high)), (c, (first, last)) in combinations(enumerate(rows), enumerate(columns)):
            if low < high and first < last:
                part = image[int(corners[number, 0]), :, low:high, first:last]
                result[number, :, r, c] = part.max(axis=(1, 2))
    return result


def _bounds(start: int, end: int, bins: int, length: int, number: Any) -> list[tuple[int, int]]:
    """The elements of each bin between two edges, inside the image."""
    step = number(max(end - start + 1, 1)) / number(bins)
    spans = [(int(np.floor(n * step)) + start, int(np.ceil((n + 1) * step)) + start) for n in range(bins)]
    return [(min(max(low, 0), length), min(max(high, 0), length)) for low, high in spans]
