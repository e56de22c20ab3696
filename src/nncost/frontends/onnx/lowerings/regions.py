"""Pooling inside boxes, and suppression of boxes that overlap."""

from __future__ import annotations

from typing import Any

import numpy as np

from nncost.dims import Dim, is_symbolic
from nncost.errors import SourceError
from nncost.frontends.onnx.bounds import size_by_data
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import lowers
from nncost.frontends.onnx.values import Unlowered
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.library import region_sizes, regions, suppression

Array = Any


@lowers("RoiAlign", since=10)
def _region_align(call: Call) -> Tensor:
    """Bins of boxes, each the mean (or the largest) of points between elements; without a number of points, one per element."""
    x, boxes, image, b = call.ranked(0, 4, 4), call.ranked(1, 2, 2), call.ranked(2, 1, 1), call.builder
    if any(map(is_symbolic, x.shape[2:])):
        raise Unlowered("an image whose size is a symbol")
    bins = _bins(call)
    numbered = b.reshape(b.emit(ops.Cast(boxes.dtype), image), (image.shape[0], 1))
    corners = b.concat([numbered, boxes], 1)
    if bins.samples[0] > 0:
        return regions.region_align(b, x, corners, bins)
    return region_sizes.region_align_by_size(b, x, corners, bins, _points(call, bins))


def _bins(call: Call) -> regions.Bins:
    a = call.attributes
    mode = a.text("mode", "avg")
    way = a.text("coordinate_transformation_mode", "half_pixel" if call.opset >= 16 else "output_half_pixel")
    if mode not in ("avg", "max") or way not in ("half_pixel", "output_half_pixel"):
        raise SourceError(f"there is no mode {mode!r} with {way!r}.")
    samples = max(0, a.integer("sampling_ratio", 0))
    return regions.Bins(
        (a.integer("output_height", 1), a.integer("output_width", 1)), (samples, samples),
        a.number("spatial_scale", 1.0), way == "half_pixel", largest=mode == "max",
    )  # fmt: skip


def _points(call: Call, bins: regions.Bins) -> Dim | None:
    """The points of one bin of every box, if the boxes are known before a run."""
    try:
        boxes = call.array(1)
    except Unlowered:
        return None
    return int(region_sizes.points_of(np.concatenate([boxes[:, :1], boxes], 1), bins).prod(1).sum())


@lowers("MaxRoiPool")
def _region_max(call: Call) -> Tensor:
    """The largest element in each bin of boxes."""
    x, boxes = call.ranked(0, 4, 4), call.ranked(1, 2, 2)
    size = call.attributes.integers("pooled_shape") or []
    if len(size) != 2 or min(size) < 1:
        raise SourceError(f"the attribute 'pooled_shape' must have two numbers of at least 1, received {size}.")
    return region_sizes.region_max(
        call.builder, x, boxes, (size[0], size[1]), call.attributes.number("spatial_scale", 1.0)
    )


@lowers("NonMaxSuppression", since=10)
def _suppression(call: Call) -> Tensor:
    """The best boxes of each class that do not overlap a better one."""
    boxes, scores, b = call.ranked(0, 3, 3), call.ranked(1, 3, 3), call.builder
    centred = call.attributes.flag("center_point_box", False)
    defaults = ((0, "int64"), (0.0, boxes.dtype), (float("-inf"), boxes.dtype))
    limits = [
        b.reshape(call.constant(n), ()) if call.has(n) else b.full((), *default)
        for n, default in enumerate(defaults, 2)
    ]
    positions = [position for position in range(5) if call.has(position)]

    def count(*arrays: Array) -> int:
        given = dict(zip(positions, arrays, strict=True))
        values = [np.asarray(given.get(n, default[0])).reshape(()) for n, default in enumerate(defaults, 2)]
        return len(suppression.selected(arrays[0], arrays[1], *values, centred=centred))

    images, classes, amount = scores.shape
    found = size_by_data(call, positions, count, images * classes * _most(call, amount))
    return suppression.non_max_suppression(b, boxes, scores, (limits[0], limits[1], limits[2]), found, centred=centred)


def _most(call: Call, boxes: Dim) -> Dim:
    """The most boxes of a class that may stay; none unless the node says how many."""
    most = call.scalar(2) if call.has(2) else 0.0
    return boxes if most is None else min(boxes, max(0, int(most))) if not is_symbolic(boxes) else int(most)
