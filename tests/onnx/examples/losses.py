"""Examples of losses that are operations of the file."""

from __future__ import annotations

from typing import Any

from tests.onnx.examples.example import Example
from tests.onnx.models import node

FORMS: list[dict[str, Any]] = [
    {}, {"reduction": "sum"}, {"reduction": "none"}, {"ignore_index": 1}, {"ignore_index": 1, "reduction": "none"},
    {"ignore_index": -5},
]  # fmt: skip


def _loss(op: str, settings: dict[str, Any], *, weighted: bool, outputs: str = "y", rest: tuple[int, ...] = ()) -> Example:  # fmt: skip
    made = node(op, "x i0 w" if weighted else "x i0", outputs, **settings)
    inputs = {"x": (4, 3, *rest), "i0": (4, *rest), **({"w": (3,)} if weighted else {})}
    label = f"{op}({settings},{weighted},{outputs},{rest})"
    return Example(label, [made], inputs, {}, 21, tuple(outputs.split()))


EXAMPLES = [
    *(_loss(op, settings, weighted=weighted) for op in ("SoftmaxCrossEntropyLoss", "NegativeLogLikelihoodLoss")
      for settings in FORMS for weighted in (False, True)),
    _loss("SoftmaxCrossEntropyLoss", {"ignore_index": 0}, weighted=True, outputs="y p", rest=(2, 3)),
    _loss("NegativeLogLikelihoodLoss", {}, weighted=True, rest=(2,)),
]  # fmt: skip
