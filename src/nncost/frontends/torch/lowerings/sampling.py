"""Sampling at places that are data: ``grid_sample``.

Each coordinate takes 1 mul and 1 add to become a place, its neighbours' shares are differences, the
weight of a corner is their product, and each channel sums its corners with these weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product as combinations
from math import prod
from typing import cast

from nncost.frontends.torch.lowerings.gradient import gradient
from nncost.frontends.torch.lowerings.operands import cast as typed
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.frontends.torch.lowerings.taps import CUBIC
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation

LINEAR, NEAREST, CUBIC_MODE = 0, 1, 2
ZEROS, BORDER, REFLECTION = 0, 1, 2
"""PyTorch's numbers for the interpolation and for what lies outside."""

Neighbour = tuple[Tensor, "Tensor | None"]
"""A place along one axis, and the weight it has there."""


def _sampled(b: Builder, x: Tensor, grid: Tensor, mode: int, outside: int, align: bool) -> Tensor:
    """``x`` (N, C, *sizes) at ``grid`` (N, *outputs, d), whose last axis names the last size first."""
    sizes = cast("tuple[int, ...]", x.shape[2:])
    points = b.reshape(grid, (grid.shape[0], prod(cast("tuple[int, ...]", grid.shape[1:-1])), len(sizes)))
    columns = b.emit_many(ops.Split(2, (1,) * len(sizes)), points)
    axes = []
    for size, column in zip(sizes, reversed(columns), strict=True):
        place = _place(b, b.reshape(column, points.shape[:2]), size, align)
        axes.append(_neighbours(b, place, size, mode, outside, align))
    flat = b.reshape(x, (*x.shape[:2], prod(sizes)))
    total: Tensor | None = None
    for corner in combinations(*axes):
        value = _corner(b, flat, corner, sizes, outside)
        total = value if total is None else b.map("add", total, value)
    assert total is not None
    return b.reshape(total, (*x.shape[:2], *grid.shape[1:-1]))


def _place(b: Builder, coordinate: Tensor, size: int, align: bool) -> Tensor:
    """From −1…1 to 0…size−1: c·s/2 + (size−1)/2, with s the size, or size−1 where corners are aligned."""
    return b.map("add", b.map("mul", coordinate, (size - 1 if align else size) / 2), (size - 1) / 2)


def _neighbours(b: Builder, place: Tensor, size: int, mode: int, outside: int, align: bool) -> list[Neighbour]:
    if mode != CUBIC_MODE:
        place = _brought_in(b, place, size, outside, align)
    if mode == NEAREST:
        return [(b.map("round", place), None)]
    first = b.map("floor", place)
    share = b.map("sub", place, first)
    if mode == LINEAR:
        return [(first, b.map("sub", 1.0, share)), (b.map("add", first, 1.0), share)]
    found: list[Neighbour] = []
    for offset in (-1, 0, 1, 2):
        there = b.map("add", first, float(offset)) if offset else first
        distance = (
            b.map("add", share, 1.0) if offset == -1 else share if offset == 0 else b.map("sub", float(offset), share)
        )
        weight = _near(b, distance) if offset in (0, 1) else _far(b, distance)
        found.append((_brought_in(b, there, size, outside, align), weight))
    return found


def _near(b: Builder, x: Tensor) -> Tensor:
    """((a+2)·x − (a+3))·x² + 1."""
    inner = b.map("sub", b.map("mul", CUBIC + 2, x), CUBIC + 3)
    return b.map("add", b.map("mul", b.map("mul", inner, x), x), 1.0)


def _far(b: Builder, x: Tensor) -> Tensor:
    """((a·x − 5a)·x + 8a)·x − 4a."""
    inner = b.map("sub", b.map("mul", CUBIC, x), 5 * CUBIC)
    return b.map("sub", b.map("mul", b.map("add", b.map("mul", inner, x), 8 * CUBIC), x), 4 * CUBIC)


def _brought_in(b: Builder, place: Tensor, size: int, outside: int, align: bool) -> Tensor:
    """Inside the image: not at all (what is outside is zero), at its border, or reflected."""
    if outside == ZEROS:
        return place
    if outside == REFLECTION:
        place = _reflected(b, place, 0.0 if align else -0.5, float(size - 1 if align else size))
    return b.map("clip", place, 0.0, float(size - 1))


def _reflected(b: Builder, place: Tensor, low: float, span: float) -> Tensor:
    """Reflected at ``low`` and ``low + span`` until it is between."""
    if span == 0:
        return b.map("mul", place, 0.0)
    distance = b.map("abs", b.map("sub", place, low))
    flips = b.map("floor", b.map("div", distance, span))
    rest = b.map("sub", distance, b.map("mul", flips, span))
    odd = b.map("sub", flips, b.map("mul", 2.0, b.map("floor", b.map("mul", 0.5, flips))))
    return b.map("add", b.map("where_positive", odd, b.map("sub", span, rest), rest), low)


def _corner(b: Builder, flat: Tensor, corner: Sequence[Neighbour], sizes: Sequence[int], outside: int) -> Tensor:
    """The value at one corner times its weight; nothing where it is outside."""
    weight: Tensor | None = None
    inside: Tensor | None = None
    index: Tensor | None = None
    for (place, share), size in zip(corner, sizes, strict=True):
        if share is not None:
            weight = share if weight is None else b.map("mul", weight, share)
        if outside == ZEROS:
            for condition in (b.map("greater_equal", place, 0.0), b.map("greater_equal", float(size - 1), place)):
                inside = condition if inside is None else b.map("and", inside, condition)
        whole = _whole(b, place, size)
        index = whole if index is None else b.map("add", b.map("mul", index, _int(b, size)), whole)
    assert index is not None
    spread = b.broadcast(b.reshape(index, (index.shape[0], 1, index.shape[1])), (*flat.shape[:2], index.shape[1]))
    value = b.emit(ops.Gather(2, along=True), flat, spread)
    if inside is not None:
        if weight is None:
            return b.map("select", b.reshape(inside, (index.shape[0], 1, index.shape[1])), value, 0.0)
        weight = b.map("select", inside, weight, 0.0)
    if weight is None:
        return value
    return b.map("mul", value, b.reshape(weight, (index.shape[0], 1, index.shape[1])))


def _whole(b: Builder, place: Tensor, size: int) -> Tensor:
    """A whole number that is safe to look up."""
    return b.map("min", b.map("max", typed(b, place, "int64"), _int(b, 0)), _int(b, size - 1))


def _int(b: Builder, value: int) -> Tensor:
    return b.emit(ops.Constant("fill", (), "int64", value))


def _settings(call: Call) -> tuple[int, int, bool]:
    return call["interpolation_mode"], call["padding_mode"], bool(call["align_corners"])


@lowers(
    "aten::grid_sampler_2d", "aten::grid_sampler_3d", "aten::_grid_sampler_2d_cpu_fallback", "aten::cudnn_grid_sampler"
)
def _forward(call: Call) -> Tensor:
    b, x, grid = call.builder, call.tensor("self" if "self" in call.arguments else "input"), call.tensor("grid")
    with b.region(Operation("grid_sample"), x, grid) as region:
        settings = _settings(call) if "interpolation_mode" in call.arguments else (LINEAR, ZEROS, True)
        region.returns(_sampled(b, x, grid, *settings))
    return region.outputs[0]


@lowers("aten::grid_sampler_2d_backward", "aten::grid_sampler_3d_backward",
                 "aten::_grid_sampler_2d_cpu_fallback_backward", "aten::cudnn_grid_sampler_backward")  # fmt: skip
def _backward(call: Call) -> Lowered:
    settings = _settings(call) if "interpolation_mode" in call.arguments else (LINEAR, ZEROS, True)
    mask = [bool(flag) for flag in call.get("output_mask", (True, True))]
    operands = (call.tensor("self" if "self" in call.arguments else "input"), call.tensor("grid"))

    def forward(b: Builder, x: Tensor, grid: Tensor) -> Tensor:
        return _sampled(b, x, grid, *settings)

    return gradient(call.builder, forward, operands, call.tensor("grad_output"), mask)
