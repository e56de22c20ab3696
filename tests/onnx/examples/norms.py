"""Examples of norms in every form, and of dropout."""

from __future__ import annotations

import numpy as np

from tests.onnx.examples.example import IMAGE, Example, X, one, single, weights
from tests.onnx.models import node

VECTORS = dict(zip("sbmv", [weights(4)] * 4, strict=True))
GRID = dict(zip("sbmv", [weights(4, 3)] * 4, strict=True))
ONES = {"s": np.ones(4), "b": np.zeros(4)}
TRUE = {"r": single(0.3), "t": np.array(True)}


def _several(op: str, inputs: str, outputs: str, constants: dict[str, np.ndarray], **settings: object) -> Example:
    """A node of which several outputs are asked for."""
    x, opset = settings.pop("x", X), settings.pop("opset", 21)
    reference = settings.pop("reference", "onnxruntime")
    made = node(op, inputs, outputs, **settings)
    label = ",".join(f"{key}={value}" for key, value in settings.items())
    return Example(f"{op}({outputs},{label})", [made], {"x": x}, constants, opset, tuple(outputs.split()), reference)  # type: ignore[arg-type]


EXAMPLES = [
    _several("BatchNormalization", "x s b m v", "y", VECTORS, x=IMAGE, training_mode=1, momentum=0.8, reference="onnx"),
    _several("BatchNormalization", "x s b m v", "y p q", VECTORS, x=IMAGE, training_mode=1, reference="onnx"),
    one("BatchNormalization", "x s b m v", GRID, x=(2, 4, 3), spatial=0, opset=7),
    one("InstanceNormalization", "x s b", ONES, x=IMAGE, label="without affine"),
    _several("LayerNormalization", "x s b", "y m d", {"s": weights(3, 5), "b": weights(3, 5)}, axis=1),
    one("LayerNormalization", "x s", {"s": weights(2, 3, 5)}, axis=0),
    one("RMSNormalization", "x s", {"s": weights(3, 5)}, axis=-2, opset=23),
    one("GroupNormalization", "x s b", {"s": weights(2), "b": weights(2)}, x=IMAGE, num_groups=2, opset=18),
    *(one("LpNormalization", "x", p=p, axis=axis) for p, axis in ((1, -1), (2, 1))),
    one("MeanVarianceNormalization", "x", x=IMAGE), one("MeanVarianceNormalization", "x", axes=[0, -1]),
    _several("LRN", "x", "y", {}, x=(4, 4, 3, 2), size=4, alpha=0.2, reference="onnx"),
    Example("Dropout(mask)", [node("Dropout", "x", "y k")], {"x": X}, outputs=("y", "k")),
    Example("Dropout(zero)", [node("Dropout", "x r t", "y k")], {"x": X}, {**TRUE, "r": single(0)}, outputs=("y", "k")),
]  # fmt: skip
