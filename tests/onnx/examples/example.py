"""What an example of a lowered operation is, and the short ways to write one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from tests.onnx.models import OPSET, evaluated, make_model, node, reference

X = (2, 3, 5)
IMAGE = (2, 4, 7, 6)


@dataclass(frozen=True)
class Example:
    """A model of one node (and of those that make its operands); inputs named ``i…`` are indices.

    ``reference`` is what runs it to compare with: ``onnxruntime``, or ``onnx``'s own evaluator for what that lacks.
    """

    name: str
    nodes: list[onnx.NodeProto]
    inputs: Mapping[str, tuple[int, ...]]
    constants: Mapping[str, Any] = field(default_factory=dict)
    opset: int = OPSET
    outputs: tuple[str, ...] = ("y",)
    reference: str = "onnxruntime"

    def model(self) -> onnx.ModelProto:
        types = {name: TensorProto.INT64 for name in self.inputs if name.startswith("i")}
        return make_model(
            self.nodes, self.inputs, constants=self.constants, opset=self.opset, outputs=self.outputs, types=types
        )

    def expected(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs of the reference."""
        return (evaluated if self.reference == "onnx" else reference)(self.model(), feeds)


def weights(*shape: int) -> np.ndarray:
    """Positive numbers, so that roots, logarithms and variances exist."""
    return np.random.default_rng(5).uniform(0.2, 0.9, shape)


def one(op: str, inputs: str, constants: Mapping[str, Any] | None = None, *, x: tuple[int, ...] = X, opset: int = OPSET, label: str = "", **attributes: Any) -> Example:  # fmt: skip
    label = label or ",".join(f"{key}={value}" for key, value in attributes.items())
    return Example(f"{op}({label})", [node(op, inputs, **attributes)], {"x": x}, constants or {}, opset)


def two(op: str, a: tuple[int, ...], b: tuple[int, ...], **attributes: Any) -> Example:
    return Example(f"{op}({a},{b})", [node(op, "a b", **attributes)], {"a": a, "b": b})


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def single(number: float) -> np.ndarray:
    return np.array(number, dtype=np.float32)
