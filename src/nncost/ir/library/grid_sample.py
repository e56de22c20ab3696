"""Sampling at positions that are data, and the grids that an affine map gives.

Each coordinate takes 1 mul and 1 add to become a position, its neighbours' shares are differences, the
weight of a corner is their product, and each channel sums its corners with these weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial, reduce
from itertools import product as combinations
from typing import Literal, cast

import numpy as np

from nncost.dims import product
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library.interpolation import CUBIC

Mode = Literal["linear", "nearest", "cubic"]
PaddingMode = Literal["zeros", "border", "reflection"]
"""What is sampled outside the image: zeros, its border, or the image reflected."""
Neighbour = tuple[Tensor, "Tensor | None"]
"""A position along one axis, and its weight."""


def grid_sample(b: Builder, x: Tensor, grid: Tensor, mode: Mode, padding: PaddingMode, align: bool) -> Tensor:
    """``x`` (B, C, *sizes) at ``grid`` (B, *outputs, d), whose last axis names the last size first: (B, C, *outputs).

    ``align``: −1 and 1 are the centres of the corner elements instead of their outer edges.
    """
    with b.region(Operation("grid_sample"), x, grid) as region:
        region.returns(_sampled(b, x, grid, mode, padding, align))
    return region.outputs[0]


def _sampled(b: Builder, x: Tensor, grid: Tensor, mode: Mode, padding: PaddingMode, align: bool) -> Tensor:
    sizes = cast("tuple[int, ...]", x.shape[2:])
    points = b.reshape(grid, (grid.shape[0], math.prod(cast("tuple[int, ...]", grid.shape[1:-1])), len(sizes)))
    columns = [b.reshape(column, points.shape[:2]) for column in reversed(b.chunk(points, len(sizes), 2))]
    positions = [_position(b, column, size, align) for size, column in zip(sizes, columns, strict=True)]
    return b.reshape(sample_at(b, x, positions, mode, padding, align), (*x.shape[:2], *grid.shape[1:-1]))


def sample_at(
    b: Builder, x: Tensor, positions: Sequence[Tensor], mode: Mode, padding: PaddingMode, align: bool
) -> Tensor:
    """``x`` (B, C, *sizes) at ``positions`` in elements, (B, P) for each axis: (B, C, P)."""
    sizes = cast("tuple[int, ...]", x.shape[2:])
    axes = [
        _neighbours(b, position, size, mode, padding, align) for size, position in zip(sizes, positions, strict=True)
    ]
    flat = b.reshape(x, (*x.shape[:2], math.prod(sizes)))
    corners = [_corner(b, flat, corner, sizes, padding) for corner in combinations(*axes)]
    return reduce(partial(b.map, "add"), corners)


def _position(b: Builder, coordinate: Tensor, size: int, align: bool) -> Tensor:
    """From −1…1 to 0…size−1: c·s/2 + (size−1)/2, with s the size, or size−1 if corners are aligned."""
    return b.map("add", b.map("mul", coordinate, (size - 1 if align else size) / 2), (size - 1) / 2)


def _neighbours(
    b: Builder, position: Tensor, size: int, mode: Mode, padding: PaddingMode, align: bool
) -> list[Neighbour]:
    if mode != "cubic":
        position = _bounded(b, position, size, padding, align)
    if mode == "nearest":
        return [(b.map("round", position), None)]
    first = b.map("floor", position)
    share = b.map("sub", position, first)
    if mode == "linear":
        return [(first, b.map("sub", 1.0, share)), (b.map("add", first, 1.0), share)]
    found: list[Neighbour] = []
    for offset in (-1, 0, 1, 2):
        there = b.map("add", first, float(offset)) if offset else first
        distance = (
            b.map("add", share, 1.0) if offset == -1 else share if offset == 0 else b.map("sub", float(offset), share)
        )
        weight = _near(b, distance) if offset in (0, 1) else _far(b, distance)
        found.append((_bounded(b, there, size, padding, align), weight))
    return found


def _near(b: Builder, x: Tensor) -> Tensor:
    """((a+2)·x − (a+3))·x² + 1."""
    inner = b.map("sub", b.map("mul", CUBIC + 2, x), CUBIC + 3)
    return b.map("add", b.map("mul", b.map("mul", inner, x), x), 1.0)


def _far(b: Builder, x: Tensor) -> Tensor:
    """((a·x − 5a)·x + 8a)·x − 4a."""
    inner = b.map("sub", b.map("mul", CUBIC, x), 5 * CUBIC)
    return b.map("sub", b.map("mul", b.map("add", b.map("mul", inner, x), 8 * CUBIC), x), 4 * CUBIC)


def _bounded(b: Builder, position: Tensor, size: int, padding: PaddingMode, align: bool) -> Tensor:
    """Inside the image: not at all (what is outside is zero), at its border, or reflected."""
    if padding == "zeros":
        return position
    if padding == "reflection":
        position = _reflected(b, position, 0.0 if align else -0.5, float(size - 1 if align else size))
    return b.map("clip", position, 0.0, float(size - 1))


def _reflected(b: Builder, position: Tensor, low: float, span: float) -> Tensor:
    """Reflected at ``low`` and ``low + span`` until it is between."""
    if span == 0:
        return b.full(position.shape, low, position.dtype)
    distance = b.map("abs", b.map("sub", position, low))
    flips = b.map("floor", b.map("div", distance, span))
    rest = b.map("sub", distance, b.map("mul", flips, span))
    odd = b.map("sub", flips, b.map("mul", 2.0, b.map("floor", b.map("mul", 0.5, flips))))
    return b.map("add", b.map("where_positive", odd, b.map("sub", span, rest), rest), low)


def _corner(
    b: Builder, flat: Tensor, corner: Sequence[Neighbour], sizes: Sequence[int], padding: PaddingMode
) -> Tensor:
    """The value at one corner times its weight; zero if it is outside."""
    weight: Tensor | None = None
    inside: Tensor | None = None
    index: Tensor | None = None
    for (position, share), size in zip(corner, sizes, strict=True):
        if share is not None:
            weight = share if weight is None else b.map("mul", weight, share)
        if padding == "zeros":
            for condition in (b.map("greater_equal", position, 0.0), b.map("greater_equal", float(size - 1), position)):
                inside = condition if inside is None else b.map("and", inside, condition)
        whole = _whole(b, position, size)
        index = whole if index is None else b.map("add", b.map("mul", index, b.full((), size, "int64")), whole)
    assert index is not None
    spread = b.broadcast(b.unsqueeze(index, 1), (*flat.shape[:2], index.shape[1]))
    value = b.emit(ops.Gather(2, along=True), flat, spread)
    if inside is not None:
        if weight is None:
            return b.map("select", b.unsqueeze(inside, 1), value, 0.0)
        weight = b.map("select", inside, weight, 0.0)
    if weight is None:
        return value
    return b.map("mul", value, b.unsqueeze(weight, 1))


def _whole(b: Builder, position: Tensor, size: int) -> Tensor:
    """A whole number that is safe to look up."""
    low, high = (b.full((), bound, "int64") for bound in (0, size - 1))
    return b.map("min", b.map("max", b.emit(ops.Cast("int64"), position), low), high)


def affine_grid(b: Builder, theta: Tensor, sizes: Sequence[int], *, align: bool) -> Tensor:
    """``theta`` (B, d, d+1) gives ``(B, *sizes, d)``: each constant point (x, y, 1) by the matrix, d·(d+1) mul per point."""
    batch, dims, width = theta.shape
    points = ops.Constant("array", (1, product(sizes), width), theta.dtype, lambda: _points(sizes, align))
    spread = b.broadcast(b.emit(points), (batch, product(sizes), width))
    return b.reshape(b.contract("npk,njk->npj", spread, theta), (batch, *sizes, dims))


def _points(sizes: Sequence[int], align: bool) -> object:
    """The points of every element from −1 to 1, last axis first, and a one."""
    shrink = [1.0 if align or size == 1 else (size - 1) / size for size in sizes]
    axes = [
        np.linspace(-1, 1, size) * factor if size > 1 else np.zeros(1)
        for size, factor in zip(sizes, shrink, strict=True)
    ]
    mesh = np.meshgrid(*axes, indexing="ij")
    return np.stack([*reversed([m.ravel() for m in mesh]), np.ones(mesh[0].size)], -1)
