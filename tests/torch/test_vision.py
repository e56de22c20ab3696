"""torchvision's operators and detectors: what is known of their costs, and that nothing of them is unknown."""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch
from torch import nn

import nncost
from nncost.frontends.torch.step.vision_kernels import vision_kernel

from .vision import import_torchvision

torchvision: Any = import_torchvision()
OPERATORS = torch.ops.torchvision


def test_a_deformable_convolution_has_the_products_of_a_convolution() -> None:
    layer, image, offset = torchvision.ops.DeformConv2d(64, 64, 3, padding=1), (1, 64, 64, 64), (1, 18, 64, 64)
    plain = nncost.count(layer, (image, offset), loss="sum")
    assert plain.complete
    assert plain.forward.macs == 150_994_944
    # The gradients of the taps and of the weights.
    assert plain.backward.macs == 2 * 150_994_944
    # 9·64·4,096 sampled elements: 4 products each, and 4 for the shares of each of 9·4,096 points.
    assert plain.forward.mul == 150_994_944 + 4 * 9 * 4096 * (64 + 1)
    masked = nncost.count(layer, (image, offset, (1, 9, 64, 64)), loss="sum")
    assert masked.forward.mul - plain.forward.mul == 9 * 64 * 4096
    formula = nncost.count(layer, (("B", 64, 64, 64), ("B", 18, 64, 64)))
    assert str(formula.forward.macs) == "150994944*B"


@pytest.mark.filterwarnings("ignore:`create_unbacked_symint` is deprecated")
def test_suppressed_boxes_are_an_estimate_with_a_limit() -> None:
    class Suppressed(nn.Linear):
        def forward(self, x: torch.Tensor, boxes: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
            return super().forward(x[torchvision.ops.nms(boxes, scores, 0.5)])

    report = nncost.count(Suppressed(4, 4), ((6, 4), (6, 4), (6,)))
    assert report.complete
    assert str(report.forward.macs) == "16*rows1"
    assert report.notes[0] == "rows1 is a number of rows that the data decide, 0 to 6."
    same = torch.tensor([[0.0, 0.0, 2.0, 2.0]]).repeat(6, 1)
    assert nncost.count(Suppressed(4, 4), (torch.rand(6, 4), same, torch.rand(6))).forward.macs == 16


def kernel(name: str, *args: Any) -> Any:
    operator = getattr(OPERATORS, name).default
    found = vision_kernel(operator, args) or operator
    return found(*args)


def test_without_offsets_it_is_a_convolution() -> None:
    x, weight, bias = torch.randn(2, 4, 7, 6), torch.randn(6, 2, 3, 3), torch.randn(6)
    offset, mask = torch.zeros(2, 18, 4, 6), torch.zeros(2, 1)
    found = kernel("deform_conv2d", x, weight, offset, mask, bias, 2, 1, 1, 1, 1, 1, 2, 1, False)
    torch.testing.assert_close(found, nn.functional.conv2d(x, weight, bias, (2, 1), 1, 1, 2))


def test_a_box_around_everything_is_pooled_as_an_image() -> None:
    x, box = torch.randn(1, 3, 6, 8), torch.tensor([[0.0, 0.0, 0.0, 7.0, 5.0]])
    pooled, places = kernel("roi_pool", x, box, 1.0, 3, 2)
    expected, indices = nn.functional.adaptive_max_pool2d(x, (3, 2), return_indices=True)
    torch.testing.assert_close(pooled, expected)
    assert torch.equal(places.long(), indices)


def test_points_are_between_elements() -> None:
    x, boxes = torch.randn(2, 3, 9, 8), torch.tensor([[0.0, 1.0, 2.0, 6.5, 7.0], [1.0, 0.5, 0.5, 3.0, 4.0]])
    found = kernel("roi_align", x, boxes, 0.9, 2, 3, 2, True)
    reference = torchvision.ops.roi_align.__globals__["_roi_align"].__wrapped__
    torch.testing.assert_close(found, reference(x, boxes, 0.9, 2, 3, 2, True))


IMAGES = [torch.rand(3, 96, 128, generator=torch.Generator().manual_seed(0))]
BOXES = {"boxes": torch.tensor([[10.0, 10, 60, 70], [30, 20, 100, 80]]), "labels": torch.tensor([1, 1])}
MASKS = {"masks": torch.ones(2, 96, 128, dtype=torch.uint8)}
POINTS = {"keypoints": torch.rand(2, 17, 3) * 50 + 10}
SMALL = {"min_size": 96, "max_size": 128}
DETECTORS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": (SMALL, {}),
    "retinanet_resnet50_fpn": (SMALL, {}),
    "fcos_resnet50_fpn": (SMALL, {}),
    "ssd300_vgg16": ({}, {}),
    "maskrcnn_resnet50_fpn": ({**SMALL, "box_detections_per_img": 5}, MASKS),
    "keypointrcnn_resnet50_fpn": ({**SMALL, "box_detections_per_img": 5}, POINTS),
}


class Losses(nn.Module):
    """The sum of a detector's losses."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: list[torch.Tensor], targets: list[dict[str, torch.Tensor]]) -> torch.Tensor:
        return torch.stack(list(self.detector(images, targets).values())).sum()


NAMES = list(DETECTORS) if os.environ.get("NNCOST_DETECTORS") else ["fasterrcnn_mobilenet_v3_large_320_fpn"]
"""``NNCOST_DETECTORS`` asks for all, which take minutes: they run on real numbers."""


@pytest.mark.parametrize("name", NAMES)
def test_detectors_are_complete_when_given_images(name: str) -> None:
    torch.manual_seed(0)
    settings, more = DETECTORS[name]
    detector = getattr(torchvision.models.detection, name)(weights=None, weights_backbone=None, **settings)
    detector.eval()
    detected = nncost.count(detector, nncost.Inputs((IMAGES,), {}))
    assert detected.complete, detected.unknown
    assert detected.forward.macs > 10**8
    trained = nncost.count(Losses(detector.train()), nncost.Inputs((IMAGES, [{**BOXES, **more}]), {}), loss="sum")
    assert trained.complete, trained.unknown
    assert trained.backward.macs > trained.forward.macs
