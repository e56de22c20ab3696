"""Examples of pooling and of what puts windows back together."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from tests.onnx.examples.example import IMAGE, Example, X, ints, one
from tests.onnx.models import node

MICROSOFT = "com.microsoft"
WINDOW = {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]}
CHANNELS_LAST = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}


def mask(*shape: int) -> np.ndarray:
    """The first element and some others are not masked."""
    return (np.arange(np.prod(shape)) % 4 != 2).astype(np.int32).reshape(1, 1, *shape)


POOLINGS = [
    *(one("MaxPool", "x", x=IMAGE, outputs="y z", storage_order=order, **WINDOW) for order in (0, 1)),
    one("MaxPool", "x", x=IMAGE, outputs="y z", ceil_mode=1, dilations=[2, 1], **WINDOW), one("MaxPool", "x", outputs="y z", kernel_shape=[2]),
    one("MaxPool", "x", x=(1, 2, 4, 4, 3), outputs="y z", kernel_shape=[2, 2, 2], storage_order=1),
    Example("MaxPool(int8)", [node("MaxPool", "x", kernel_shape=[2], pads=[1, 1])], {"x": X}, types={"x": TensorProto.INT8}),
    one("AveragePool", "x", x=IMAGE, kernel_shape=[3, 2], dilations=[2, 1]),
    one("AveragePool", "x", x=IMAGE, kernel_shape=[3, 2], dilations=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1, strides=[2, 1]),
    *(one("LpPool", "x", x=IMAGE, p=p, **WINDOW) for p in (1, 2, 3)), one("LpPool", "x", x=IMAGE, kernel_shape=[2, 2], dilations=[2, 1], ceil_mode=1),
    one("LpPool", "x", p=2, kernel_shape=[3], opset=11), one("LpPool", "x", x=(1, 2, 4, 4, 3), kernel_shape=[2, 1, 2], p=1),
    *(one("GlobalLpPool", "x", x=IMAGE, p=p) for p in (1, 2, 3)),
    Example("NhwcMaxPool", [node("NhwcMaxPool", "i0", domain=MICROSOFT, **CHANNELS_LAST)], {"i0": (1, 5, 6, 3)}, types={"i0": TensorProto.UINT8}),
    *(Example(f"MaxpoolWithMask({len(kernel)}-D)", [node("MaxpoolWithMask", "x m", domain=MICROSOFT, kernel_shape=kernel, pads=pads)], {"x": x}, {"m": mask(*x[2:])})
      for x, kernel, pads in (((2, 3, 9), [3], [1, 0]), (IMAGE, [2, 3], [0, 1, 1, 1]))),
]  # fmt: skip
BACK = [
    Example("MaxUnpool", [node("MaxPool", "x", "p i", kernel_shape=[2, 2], strides=[2, 2]), node("MaxUnpool", "p i", kernel_shape=[2, 2], strides=[2, 2])],
            {"x": (2, 3, 6, 4)}),
    Example("MaxUnpool(shape)", [node("MaxPool", "x", "p i", kernel_shape=[2], strides=[2]), node("MaxUnpool", "p i s", kernel_shape=[2], strides=[2])],
            {"x": (2, 3, 6)}, {"s": ints(2, 3, 8)}, reference="onnx"),
    *(Example(f"Col2Im({size})", [node("Col2Im", "x s k", **settings)], {"x": shape}, {"s": ints(*size), "k": ints(*kernel)})
      for size, kernel, shape, settings in (
          ((5,), (2,), (2, 6, 4), {}), ((5, 6), (2, 3), (1, 12, 16), {}), ((5, 6), (2, 3), (2, 6, 12), {"dilations": [2, 1], "pads": [0, 1, 0, 2], "strides": [1, 2]}),
          ((4, 3, 5), (2, 1, 2), (1, 8, 36), {}),
      )),
]  # fmt: skip
EXAMPLES = [*POOLINGS, *BACK]
