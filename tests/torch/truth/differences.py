"""Where a known figure and nncost's count differ, and why; and rows of which no count can be compared.

``python -m benchmarks.truth`` fails on a difference that is not here and on one that is here and is none.
"""

from __future__ import annotations

DIFFERENT: dict[tuple[str, str], str] = {}
"""By name of the row and quantity."""

_DETECTION = "its figure is one run on images of the dataset's sizes, with as many proposals as it happened to find"
NOT_COMPARED: dict[str, str] = {
    "fasterrcnn_mobilenet_v3_large_fpn COCO_V1": _DETECTION,
    "fasterrcnn_resnet50_fpn COCO_V1": _DETECTION,
    "fasterrcnn_resnet50_fpn_v2 COCO_V1": _DETECTION,
    "retinanet_resnet50_fpn COCO_V1": _DETECTION,
    "ssd300_vgg16 COCO_V1": _DETECTION,
    "ssdlite320_mobilenet_v3_large COCO_V1": _DETECTION,
    "raft_small C_T_V1": "its figure is one run on frames of an unnamed size",
    "raft_small C_T_V2": "its figure is one run on frames of an unnamed size",
    "vgg16 IMAGENET1K_FEATURES": "weights of the features alone; the figure is that of the whole VGG-16",
}
