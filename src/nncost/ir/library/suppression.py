"""Suppression of boxes that overlap a better one."""

from __future__ import annotations

from typing import Any

import numpy as np

from nncost.dims import Dim, ceil_log2, floor_divide
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library.counts import scaled

Array = Any


def suppression_counts(boxes: Dim) -> dict[str, Dim]:
    """At most every box with every other: 7 cmp, 4 add, 1 mul and 1 div for their overlap; sorted by their scores first.

    Each box's own area is 2 add and 1 mul.
    """
    pairs = floor_divide(boxes * (boxes - 1), 2)
    return {
        "mul": pairs + boxes, "add": 4 * pairs + 2 * boxes, "div": pairs, "cmp": 7 * pairs + boxes * ceil_log2(boxes),
    }  # fmt: skip


def non_max_suppression(
    b: Builder, boxes: Tensor, scores: Tensor, limits: tuple[Tensor, Tensor, Tensor], count: Dim, *, centred: bool
) -> Tensor:
    """``boxes`` (N, B, 4) with ``scores`` (N, C, B) give (count, 3): image, class and box of each one that stays.

    ``limits`` are the most boxes of a class, the largest overlap and the least score.
    """
    images, classes, amount = scores.shape
    counts = scaled(suppression_counts(amount), images * classes)
    counts["cmp"] = counts["cmp"] + images * classes * amount
    op = ops.Algorithm(
        "non_max_suppression", (((count, 3), "int64"),), counts, ops.ESTIMATED,
        run=lambda *x: selected(*x, centred=centred),
    )  # fmt: skip
    return b.emit(op, boxes, scores, *limits)


def selected(boxes: Array, scores: Array, most: Array, overlap: Array, least: Array, *, centred: bool) -> Array:
    """The boxes that stay, the best of each class first; of equal scores the first box is the better one."""
    found = [
        (image, kind, box)
        for image, kind in np.ndindex(*scores.shape[:2])
        for box in _kept(_corners(boxes[image], centred), scores[image, kind], int(most), overlap, least)
    ]
    return np.asarray(found, dtype=np.int64).reshape(-1, 3)


def _corners(boxes: Array, centred: bool) -> Array:
    """Two corners (B, 2, 2), the lower one first."""
    if centred:
        half = boxes[:, 2:] / 2
        return np.stack([boxes[:, :2] - half, boxes[:, :2] + half], 1)
    corners = boxes.reshape(-1, 2, 2)
    return np.stack([corners.min(1), corners.max(1)], 1)


def _kept(corners: Array, scores: Array, most: int, overlap: Array, least: Array) -> list[int]:
    order = [int(box) for box in np.argsort(-scores, kind="stable") if scores[box] > least]
    kept: list[int] = []
    for box in order:
        if len(kept) >= most:
            break
        if not any(_overlap(corners[box], corners[other]) > overlap for other in kept):
            kept.append(box)
    return kept


def _overlap(one: Array, other: Array) -> float:
    """Intersection over union; zero for boxes that do not meet or have no area."""
    sides = np.minimum(one[1], other[1]) - np.maximum(one[0], other[0])
    if (sides <= 0).any():
        return 0.0
    common = sides[0] * sides[1]
    areas = [np.prod(box[1] - box[0]) for box in (one, other)]
    union = areas[0] + areas[1] - common
    return float(common / union) if min(*areas, union) > 0 else 0.0
