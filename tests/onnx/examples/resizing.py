"""Examples of resizing and of sampling at positions that are data."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from tests.onnx.examples.example import Example, ints, one, weights
from tests.onnx.models import node

MICROSOFT = "com.microsoft"
IMAGE = (1, 2, 5, 4)
UP, DOWN = np.float32([1, 1, 2, 1.5]), np.float32([1, 1, 0.65, 0.9])
RESIZING = [
    *(one("Resize", "x - s", {"s": scale}, x=IMAGE, mode="nearest", nearest_mode=rounding, coordinate_transformation_mode=way, reference="onnx", label=f"{rounding},{way},{scale[2]}")
      for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil") for way in ("half_pixel", "asymmetric", "align_corners") for scale in (UP, DOWN)),
    *(one("Resize", "x - s", {"s": scale}, x=IMAGE, mode=mode, coordinate_transformation_mode=way, reference="onnx", label=f"{mode},{way},{scale[2]}")
      for mode in ("linear", "cubic") for way in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "asymmetric", "align_corners") for scale in (UP, DOWN)),
    *(one("Resize", "x - s", {"s": DOWN}, x=IMAGE, mode=mode, antialias=1, exclude_outside=outside, reference="onnx") for mode in ("linear", "cubic") for outside in (0, 1)),
    *(one("Resize", "x - s", {"s": np.float32([1, 1, *scales])}, x=IMAGE, mode=mode, coordinate_transformation_mode="pytorch_half_pixel", label=f"{mode},one,{scales}")
      for mode in ("nearest", "linear", "cubic") for scales in ((0.3, 0.7), (0.3, 0.26), (0.2, 0.5))),
    one("Resize", "x - s", {"s": UP}, x=IMAGE, mode="cubic", exclude_outside=1, cubic_coeff_a=-0.5),
    *(one("Resize", "x - - s", {"s": ints(8, 7)}, x=IMAGE, mode="linear", axes=[2, 3], keep_aspect_ratio_policy=policy) for policy in ("stretch", "not_larger", "not_smaller")),
    one("Resize", "x - - s", {"s": ints(3, 8)}, x=IMAGE, mode="linear", axes=[3, 1], reference="onnx"),
    *(one("Resize", "x r - s", {"r": np.float32([0, 0, 0.4, -0.2, 1, 1, 1.2, 0.7]), "s": ints(1, 2, 4, 3)}, x=IMAGE, mode=mode,
          coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=5.0) for mode in ("nearest", "linear")),
    one("Resize", "x - s", {"s": np.float32([1, 1, 2])}, x=(1, 2, 5), mode="linear"), one("Resize", "x - s", {"s": np.float32([1, 1, 2, 2, 3])}, x=(1, 2, 2, 3, 2), mode="linear"),
    Example("Resize(uint8)", [node("Resize", "i0 - s", mode="linear")], {"i0": IMAGE}, {"s": UP}, types={"i0": TensorProto.UINT8}, reference="onnx"),
    *(one("Resize", "x s", {"s": scale}, x=IMAGE, opset=10, mode=mode, label=f"10,{mode},{scale[2]}") for mode in ("nearest", "linear") for scale in (UP, DOWN)),
    *(one("Upsample", "x s", {"s": UP}, x=IMAGE, opset=9, mode=mode) for mode in ("nearest", "linear")), one("Upsample", "x", x=IMAGE, opset=7, scales=[1.0, 1.0, 2.0, 3.0]),
]  # fmt: skip
PLACES = {"x": (2, 3, 5, 4), "g": (2, 3, 6, 2)}
SAMPLING = [
    *(Example(f"GridSample({mode},{padding},{align})", [node("GridSample", "x g", mode=mode, padding_mode=padding, align_corners=align)], PLACES)
      for mode in ("linear", "nearest", "cubic") for padding in ("zeros", "border", "reflection") for align in (0, 1)),
    Example("GridSample(16)", [node("GridSample", "x g", mode="bicubic")], PLACES, opset=16),
    Example("GridSample(3-D)", [node("GridSample", "x g")], {"x": (1, 2, 3, 4, 2), "g": (1, 2, 3, 2, 3)}),
    Example("GridSample(microsoft)", [node("GridSample", "x g", domain=MICROSOFT)], PLACES),
    *(one("AffineGrid", "x s", {"s": ints(2, 3, 5, 4)}, x=(2, 2, 3), align_corners=align) for align in (0, 1)),
    one("AffineGrid", "x s", {"s": ints(2, 3, 5, 4, 2)}, x=(2, 3, 4), label="3-D"),
    Example("DeformConv", [node("DeformConv", "x w o b m", pads=[1, 0, 1, 1], strides=[2, 1], group=2, offset_group=2)],
            {"x": (1, 4, 6, 5), "o": (1, 24, 3, 5), "m": (1, 12, 3, 5)}, {"w": weights(6, 2, 3, 2), "b": weights(6)}),
    Example("DeformConv(plain)", [node("DeformConv", "x w o", dilations=[1, 2])], {"x": (2, 3, 5, 6), "o": (2, 12, 4, 2)}, {"w": weights(2, 3, 2, 3)[..., :3]}),
    *(Example(f"CropAndResize({mode})", [node("CropAndResize", "x r n s", domain=MICROSOFT, mode=mode, extrapolation_value=2.0)], {"x": (2, 3, 6, 5), "r": (4, 4)},
              {"n": np.int32([0, 1, 1, 0]), "s": np.int32([3, 4])}) for mode in ("bilinear", "nearest")),
]  # fmt: skip
EXAMPLES = [*RESIZING, *SAMPLING]
