"""Examples of norms in every form, and of dropout."""

from __future__ import annotations

import numpy as np

from tests.onnx.examples.example import IMAGE, Example, X, one, single, weights
from tests.onnx.models import node

VECTORS = dict(zip("sbmv", [weights(4)] * 4, strict=True))
GRID = dict(zip("sbmv", [weights(4, 3)] * 4, strict=True))
ONES = {"s": np.ones(4), "b": np.zeros(4)}
TRUE = {"r": single(0.3), "t": np.array(True)}


EXAMPLES = [
    one("BatchNormalization", "x s b m v", VECTORS, x=IMAGE, training_mode=1, momentum=0.8, reference="onnx"),
    one("BatchNormalization", "x s b m v", VECTORS, outputs="y p q", x=IMAGE, training_mode=1, reference="onnx"),
    one("BatchNormalization", "x s b m v", GRID, x=(2, 4, 3), spatial=0, opset=7),
    one("InstanceNormalization", "x s b", ONES, x=IMAGE, label="without affine"),
    one("LayerNormalization", "x s b", outputs="y m d", constants={"s": weights(3, 5), "b": weights(3, 5)}, axis=1),
    one("LayerNormalization", "x s", {"s": weights(2, 3, 5)}, axis=0),
    one("RMSNormalization", "x s", {"s": weights(3, 5)}, axis=-2, opset=23),
    one("GroupNormalization", "x s b", {"s": weights(2), "b": weights(2)}, x=IMAGE, num_groups=2, opset=18),
    *(one("LpNormalization", "x", p=p, axis=axis) for p, axis in ((1, -1), (2, 1))),
    one("MeanVarianceNormalization", "x", x=IMAGE), one("MeanVarianceNormalization", "x", axes=[0, -1]),
    one("LRN", "x", x=(4, 4, 3, 2), size=4, alpha=0.2, reference="onnx"),
    Example("Dropout(mask)", [node("Dropout", "x", "y k")], {"x": X}, outputs=("y", "k")),
    Example("Dropout(zero)", [node("Dropout", "x r t", "y k")], {"x": X}, {**TRUE, "r": single(0)}, outputs=("y", "k")),
]  # fmt: skip
