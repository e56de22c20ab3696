"""Samples: torchvision's operators, and their amounts where the data decide them."""

from __future__ import annotations

import torch

from tests.torch.lowerings.closed import Closed, about, exact
from tests.torch.lowerings.making import positive, rand, sample
from tests.torch.vision import import_torchvision

import_torchvision()

X, WEIGHT, GROUPED = rand(2, 4, 6, 5), rand(6, 4, 3, 2), rand(6, 2, 3, 2)
OFFSET, MASK, BIAS, NONE = rand(2, 24, 4, 4), positive(2, 12, 4, 4), rand(6), rand(2, 1)
WINDOW = (1, 1, 0, 0, 1, 1)
BOXES = torch.tensor([[0.0, 1.2, 0.4, 7.9, 9.3], [1.0, -2.5, 3.1, 5.2, 13.0], [0.0, 4.0, 4.0, 4.5, 4.2]]).double()
SCALE = 0.5
CHANNELS = rand(2, 8, 6, 5)


def _deformed(weight: torch.Tensor, groups: int, offset_groups: int, *, masked: bool) -> tuple[object, ...]:
    offset, mask = OFFSET[:, : 12 * offset_groups], MASK[:, : 6 * offset_groups] if masked else NONE
    return (X, weight, offset.contiguous(), mask.contiguous(), BIAS, *WINDOW, groups, offset_groups, masked)


CONVOLUTIONS = tuple(
    one
    for weight, groups, offset_groups, masked in (
        (WEIGHT, 1, 1, False), (WEIGHT, 1, 2, True), (GROUPED, 2, 1, True), (GROUPED, 2, 2, False)
    )
    for one in (
        sample("torchvision::deform_conv2d", *_deformed(weight, groups, offset_groups, masked=masked)),
        sample("torchvision::_deform_conv2d_backward", rand(2, 6, 4, 4), *_deformed(weight, groups, offset_groups, masked=masked)),
    )
)  # fmt: skip
ALIGNED = (
    sample("torchvision::roi_align", X, BOXES, SCALE, 2, 3, 2, True),
    sample("torchvision::roi_align", X, BOXES, SCALE, 3, 1, 1, False),
    sample("torchvision::_roi_align_backward", rand(3, 4, 2, 3), BOXES, SCALE, 2, 3, 2, 4, 6, 5, 2, True),
    sample("torchvision::ps_roi_align", CHANNELS, BOXES, SCALE, 2, 2, 2, results=(0,)),
    sample("torchvision::_ps_roi_align_backward", rand(3, 2, 2, 2), BOXES, torch.zeros(3, 2, 2, 2, dtype=torch.int32), SCALE, 2, 2, 2, 2, 8, 6, 5),
)  # fmt: skip
SAMPLES = (*CONVOLUTIONS, *ALIGNED)

SCORES, MAPPING = positive(4), torch.zeros(3, 2, 2, 2, dtype=torch.int32)
CLOSED: tuple[Closed, ...] = (
    # 6 pairs of 4 boxes, 4 areas, and sorting 4 scores in 2 steps.
    about(sample("torchvision::nms", torch.cat([rand(4, 2), 3 + rand(4, 2)], 1), SCORES, 0.5), mul=6 + 4, add=24 + 8, div=6, cmp=42 + 8),
    # 3·4·2·2 outputs; a bin of 2 by 2 has 3·3 of 6·5 elements at most.
    about(sample("torchvision::roi_pool", X, BOXES, SCALE, 2, 2), cmp=48 * 8),
    about(sample("torchvision::ps_roi_pool", CHANNELS, BOXES, SCALE, 2, 2), add=24 * 8, div=24),
    exact(sample("torchvision::_roi_pool_backward", rand(3, 4, 2, 2), BOXES, torch.zeros(3, 4, 2, 2, dtype=torch.int32), SCALE, 2, 2, 2, 4, 6, 5), add=48),
    about(sample("torchvision::_ps_roi_pool_backward", rand(3, 2, 2, 2), BOXES, MAPPING, SCALE, 2, 2, 2, 8, 6, 5), add=24 * 9, div=24),
    # As many points as the box asks for: at most one for each of 9 elements.
    about(sample("torchvision::roi_align", X, BOXES, SCALE, 2, 2, -1, True), mul=4 * 48 * 9, add=48 * 35, div=48),
    about(sample("torchvision::_roi_align_backward", rand(3, 4, 2, 2), BOXES, SCALE, 2, 2, 2, 4, 6, 5, -1, True), mul=4 * 48 * 9, add=4 * 48 * 9),
)  # fmt: skip
