"""What an example of a lowered operation is, and the short ways to write one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.onnx.models import OPSET, evaluated, make_model, node, reference

X = (2, 3, 5)
IMAGE = (2, 4, 7, 6)


@dataclass(frozen=True)
class Example:
    """A model of one node (and of those that make its operands); inputs named ``i…`` are indices unless ``types`` differ."""

    name: str
    nodes: list[onnx.NodeProto]
    inputs: Mapping[str, tuple[int, ...]]
    constants: Mapping[str, Any] = field(default_factory=dict)
    opset: int = OPSET
    outputs: tuple[str, ...] = ("y",)
    types: Mapping[str, int] = field(default_factory=dict)
    reference: str = "onnxruntime"
    """Or ``onnx``, whose evaluator is asked where onnxruntime lacks the operation; ``shape``: what is drawn has no value."""

    same_as: Sequence[onnx.NodeProto] = ()
    """Standard nodes that compute the same, for an operation that neither of them runs here."""

    compute: Callable[..., list[np.ndarray]] | None = None
    """What the operation does to its inputs, in NumPy, where neither has it."""

    def model(self, nodes: Sequence[onnx.NodeProto] = ()) -> onnx.ModelProto:
        """The example's model, or one of other nodes with its inputs and constants."""
        types = {name: TensorProto.INT64 for name in self.inputs if name.startswith("i")} | dict(self.types)
        return make_model(
            nodes or self.nodes,
            self.inputs,
            constants=self.constants,
            opset=OPSET if nodes else self.opset,
            outputs=self.outputs,
            types=types,
        )


def expected_of(example: Example, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The outputs that the example's reference gives."""
    if example.compute is not None:
        return example.compute(**feeds)
    asked = evaluated if example.reference == "onnx" else reference
    return asked(example.model(example.same_as), feeds)


def drawn(rng: np.random.Generator, example: Example, name: str) -> np.ndarray:
    """Indices are 0 or 1, other numbers between −1 and 1."""
    shape, dtype = example.inputs[name], helper.tensor_dtype_to_np_dtype(example.types.get(name, TensorProto.FLOAT))
    if name.startswith("i") and name not in example.types:
        return rng.integers(0, 2, shape)
    return rng.integers(0, 2, shape).astype(dtype) if dtype.kind in "iub" else rng.uniform(-1, 1, shape).astype(dtype)


def weights(*shape: int) -> np.ndarray:
    """Positive numbers, so that roots, logarithms and variances exist."""
    return np.random.default_rng(5).uniform(0.2, 0.9, shape)


def one(op: str, inputs: str, constants: Mapping[str, Any] | None = None, *, x: tuple[int, ...] = X, opset: int = OPSET, label: str = "", outputs: str = "y", reference: str = "onnxruntime", **attributes: Any) -> Example:  # fmt: skip
    label = label or ",".join(f"{key}={value}" for key, value in attributes.items())
    made = node(op, inputs, outputs, **attributes)
    names = tuple(name for name in outputs.split() if name != "-")
    return Example(f"{op}({label})", [made], {"x": x}, constants or {}, opset, names, reference=reference)


def two(op: str, a: tuple[int, ...], b: tuple[int, ...], **attributes: Any) -> Example:
    return Example(f"{op}({a},{b})", [node(op, "a b", **attributes)], {"a": a, "b": b})


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def single(number: float) -> np.ndarray:
    return np.array(number, dtype=np.float32)
