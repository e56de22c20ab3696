"""ONNX operators, each in a small model: with its gradient, forward alone where it has none, and unknown ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from tests.golden.cases.case import Case
from tests.golden.cases.onnx_model import OPSET, Node, ones, saved_model

X = (2, 3, 5)
IMAGE = (2, 4, 7, 6)
TRAINED = {"loss": "sum", "optimizer": "sgd"}
FORWARD = {"loss": "none"}


def case(
    name: str, nodes: Sequence[Node], inputs: Mapping[str, Any], constants: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] = TRAINED, **model: Any,
) -> Case:  # fmt: skip
    return Case(name, partial(saved_model, nodes, inputs, constants, **model), None, settings)


def one(
    op: str, given: str = "x", constants: Mapping[str, Any] | None = None, *, x: tuple[int, ...] = X, opset: int = OPSET,
    **attributes: Any,
) -> Case:  # fmt: skip
    """A model of one operator of ``x`` and constants, named by its attributes and sizes."""
    sizes = [f"{name}{list(np.shape(value))}" for name, value in (constants or {}).items()]
    said = [f"{key}={value}" for key, value in attributes.items()]
    name = " ".join([op, *sizes, *said, *([f"opset={opset}"] if opset != OPSET else [])])
    return case(name, [(op, given, "y", attributes)], {"x": x}, constants, opset=opset)


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def number(value: float) -> np.ndarray:
    return np.array(value, dtype=np.float32)


LAYERS = (
    one("Conv", "x w b", {"w": ones(6, 2, 3, 3), "b": ones(6)}, x=IMAGE, group=2, pads=[1, 0, 2, 1], strides=[2, 1], dilations=[1, 2]),
    one("Conv", "x w", {"w": ones(6, 4, 3, 2)}, x=IMAGE, auto_pad="SAME_UPPER", strides=[2, 2]),
    one("Conv", "x w b", {"w": ones(2, 3, 3), "b": ones(2)}),
    one("Conv", "x w", {"w": ones(2, 3, 1, 2, 2)}, x=(1, 3, 2, 4, 3)),
    one("ConvTranspose", "x w b", {"w": ones(4, 3, 3, 3), "b": ones(6)}, x=IMAGE, group=2, strides=[2, 2], pads=[1, 0, 1, 1], output_padding=[1, 0]),
    one("ConvTranspose", "x w", {"w": ones(4, 3, 2, 3)}, x=IMAGE, strides=[2, 2], output_shape=[13, 12]),
    one("MaxPool", x=IMAGE, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    one("MaxPool", x=IMAGE, kernel_shape=[2, 2], dilations=[2, 1]),
    one("AveragePool", x=IMAGE, kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1),
    one("AveragePool", x=IMAGE, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    one("GlobalAveragePool", x=IMAGE),
    one("GlobalMaxPool", x=IMAGE),
    one("Gemm", "x w b", {"w": ones(5, 3), "b": ones(5)}, x=(4, 3), transB=1),
    one("Gemm", "x w b", {"w": ones(3, 5), "b": ones(4, 1)}, x=(3, 4), transA=1, alpha=0.5, beta=2.0),
    one("MatMul", "x w", {"w": ones(5, 4)}),
    one("MatMul", "x w", {"w": ones(3, 5, 4)}, x=(2, 3, 6, 5)),
    one("MatMul", "w x", {"w": ones(4, 3)}, x=(3, 5)),
    case("MatMul of inputs", [("MatMul", "a b", "y", {})], {"a": (2, 3, 4, 5), "b": (2, 1, 5, 6)}),
    one("BatchNormalization", "x s b m v", dict.fromkeys("sbmv", ones(4)), x=IMAGE, epsilon=1e-3),
    one("InstanceNormalization", "x s b", {"s": ones(4), "b": ones(4)}, x=IMAGE),
    one("LayerNormalization", "x s b", {"s": ones(5), "b": ones(5)}),
    one("LayerNormalization", "x s", {"s": ones(3, 5)}, axis=1),
    one("GroupNormalization", "x s b", {"s": ones(4), "b": ones(4)}, x=IMAGE, num_groups=2),
    one("RMSNormalization", "x s", {"s": ones(5)}, opset=23),
    one("LRN", x=IMAGE, size=5, alpha=0.1, beta=0.5, bias=2.0),
    one("Dropout", ratio=0.3, opset=10),
)  # fmt: skip
ACTIVATIONS = (
    *(one(op) for op in ("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "HardSwish", "Mish", "Selu", "Elu", "LeakyRelu")),
    *(one(op) for op in ("Celu", "HardSigmoid", "ThresholdedRelu", "Gelu", "LogSoftmax")),
    one("Gelu", approximate="tanh"), one("Softmax", axis=1), one("Softmax", axis=1, opset=11),
    one("PRelu", "x w", {"w": ones(3, 1)}), one("Clip", "x low high", {"low": number(0), "high": number(6)}),
    case("Softmax and cross entropy", [("MatMul", "x w", "h", {}), ("Softmax", "h", "y", {"axis": -1})], {"x": (2, 5)},
         {"w": ones(5, 4)}, {"loss": "cross_entropy", "optimizer": "adam"}),
)  # fmt: skip
ELEMENTWISE = (
    *(one(op, "x w", {"w": ones(3, 1)}) for op in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow")),
    *(one(op) for op in ("Sqrt", "Exp", "Log", "Abs", "Erf", "Sin", "Reciprocal", "Round")),
    case("Mean of three", [("Mean", "a b c", "y", {})], {"a": (2, 3), "b": (2, 3), "c": (3,)}),
    case("Where", [("Greater", "a b", "c", {}), ("Where", "c a b", "y", {})], {"a": (2, 3), "b": (3,)}),
)
SHAPES = (
    one("Reshape", "x s", {"s": ints(0, -1)}), one("Flatten", axis=-1), one("Transpose", perm=[1, 0, 2]),
    one("Expand", "x s", {"s": ints(4, 1, 3, 5)}, x=(3, 1)), one("DepthToSpace", x=(1, 8, 2, 3), blocksize=2),
    case("Concat", [("Concat", "a b", "y", {"axis": -1})], {"a": (2, 3), "b": (2, 4)}),
    case("Split", [("Split", "x s", "y z", {"axis": 1})], {"x": (2, 5)}, {"s": ints(2, 3)}, outputs=("y", "z")),
    one("Slice", "x a b c d", {"a": ints(-1), "b": ints(-99), "c": ints(2), "d": ints(-2)}),
    one("Pad", "x p", {"p": ints(0, 1, 2, 0, 0, 1)}), one("Pad", "x p", {"p": ints(0, 1, 2, 0, 0, 1)}, mode="reflect"),
    one("Tile", "x r", {"r": ints(1, 2, 3)}), one("Gather", "x i", {"i": ints(0, 2)}, axis=1),
    case("Gather (embedding)", [("Gather", "w i", "y", {})], {"i": (2, 3)}, {"w": ones(4, 5)}, types={"i": TensorProto.INT64}),
    case("ArgMax", [("ArgMax", "x", "y", {"axis": 1})], {"x": X}, settings=FORWARD),
    *(one(op, "x a", {"a": ints(-1)}) for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceProd", "ReduceL2")),
    case("Shape arithmetic", [("Shape", "x", "s", {"start": 1}), ("ReduceProd", "s", "n", {}), ("Concat", "two n", "t", {"axis": 0}),
         ("Reshape", "x t", "y", {})], {"x": X}, {"two": ints(2)}),
    case("Size and Cast", [("Size", "x", "n", {}), ("Cast", "n", "f", {"to": 1}), ("Div", "x f", "y", {})], {"x": X}),
)  # fmt: skip


def recurrent(op: str, gates: int, directions: int = 1, **attributes: Any) -> Case:
    """Over 3 steps of 2 examples with 3 features, 2 hidden units."""
    arrays = {
        "w": ones(directions, 2 * gates, 3),
        "r": ones(directions, 2 * gates, 2),
        "b": ones(directions, 4 * gates),
    }
    return case(
        f"{op} directions={directions}", [(op, "x w r b", "y z", {"hidden_size": 2, **attributes})], {"x": (3, 2, 3)}, arrays,
        outputs=("y", "z"),
    )  # fmt: skip


RECURRENT = (
    recurrent("RNN", 1),
    recurrent("LSTM", 4),
    recurrent("LSTM", 4, 2, direction="bidirectional"),
    recurrent("GRU", 3, linear_before_reset=1),
)
DENSE = {"w": ones(3, 4), "v": ones(4, 5)}
BRANCH = helper.make_graph(
    [helper.make_node("MatMul", ["x", "w"], ["z"])], "body", [], [helper.make_tensor_value_info("z", 1, None)]
)
UNKNOWN = (
    case("unknown: ImageDecoder", [("MatMul", "x w", "a", {}), ("ImageDecoder", "a", "b", {}), ("MatMul", "b v", "y", {})], {"x": (2, 3)}, DENSE,
         {"loss": "squared_error", "optimizer": "sgd"}),
    case("unknown: an operator of one's own", [("Mystery", "x", "a", {"domain": "com.example"}), ("MatMul", "a w", "b", {}),
         ("MatMul", "b v", "y", {})], {"x": (2, 3)}, DENSE, FORWARD),
    case("unknown: sizes that depend on data", [("NonZero", "x", "i", {}), ("Shape", "i", "s", {}), ("Expand", "x s", "e", {}),
         ("ReduceSum", "e", "y", {})], {"x": (2, 3)}, None, FORWARD),
    case("unknown: a branch", [("If", "c", "y", {"then_branch": BRANCH, "else_branch": BRANCH})], {"x": (2, 3), "c": ()},
         {"w": ones(3, 4)}, FORWARD, types={"c": TensorProto.BOOL}),
)  # fmt: skip

CASES: tuple[Case, ...] = (*LAYERS, *ACTIVATIONS, *ELEMENTWISE, *SHAPES, *RECURRENT, *UNKNOWN)
