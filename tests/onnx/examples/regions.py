"""Examples of pooling inside boxes and of suppressing boxes."""

from __future__ import annotations

import numpy as np

from tests.onnx.examples.example import Example, ints
from tests.onnx.models import node

IMAGE, IMAGES = (2, 3, 8, 7), {"n": ints(0, 1, 1)}
BOXES = np.float32([[0, 0, 5, 6], [2.5, 1.2, 3.1, 7.9], [1, 3, 9, 4]])
OVERLAPS = np.float32(
    [[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, -0.1, 1, 0.9], [0, 10, 1, 11], [0, 10.1, 1, 11.1], [0, 100, 1, 101]]]
)
LIMITS = {"m": ints(3), "o": np.float32([0.5]), "l": np.float32([0.0])}
REGIONS = [
    *(Example(f"RoiAlign({mode},{way},{samples})", [node("RoiAlign", "x b n", mode=mode, coordinate_transformation_mode=way, sampling_ratio=samples, output_height=2, output_width=3,
              spatial_scale=0.9)], {"x": IMAGE}, {"b": BOXES, **IMAGES})
      for mode in ("avg", "max") for way in ("half_pixel", "output_half_pixel") for samples in (0, 2)),
    Example("RoiAlign(data)", [node("RoiAlign", "x b n", sampling_ratio=2, output_height=2, output_width=2, spatial_scale=3.0, coordinate_transformation_mode="output_half_pixel")], {"x": IMAGE, "b": (3, 4)}, IMAGES),
    Example("RoiAlign(10)", [node("RoiAlign", "x b n", sampling_ratio=1, output_height=2, output_width=2)], {"x": IMAGE}, {"b": BOXES, **IMAGES}, opset=10),
    Example("MaxRoiPool", [node("MaxRoiPool", "x b", pooled_shape=[2, 3], spatial_scale=0.9)], {"x": IMAGE}, {"b": np.hstack([np.float32([[0], [1], [1]]), BOXES])}),
    *(Example(f"NonMaxSuppression({centre})", [node("NonMaxSuppression", "b x m o l", center_point_box=centre)], {"x": (1, 2, 6)}, {"b": OVERLAPS, **LIMITS}) for centre in (0, 1)),
    Example("NonMaxSuppression(none)", [node("NonMaxSuppression", "b x")], {"x": (1, 2, 6)}, {"b": OVERLAPS}),
]  # fmt: skip
EXAMPLES = REGIONS
