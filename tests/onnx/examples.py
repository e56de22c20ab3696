"""At least one example of every lowered operation: its node, the shapes of its inputs, its constants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.onnx.models import OPSET, make_model, node

X = (2, 3, 5)
IMAGE = (2, 4, 7, 6)


@dataclass(frozen=True)
class Example:
    """A model of one node (and of those that make its operands); inputs named ``i…`` are indices."""

    name: str
    nodes: list[onnx.NodeProto]
    inputs: Mapping[str, tuple[int, ...]]
    constants: Mapping[str, Any] = field(default_factory=dict)
    opset: int = OPSET
    outputs: tuple[str, ...] = ("y",)

    def model(self) -> onnx.ModelProto:
        types = {name: TensorProto.INT64 for name in self.inputs if name.startswith("i")}
        return make_model(
            self.nodes, self.inputs, constants=self.constants, opset=self.opset, outputs=self.outputs, types=types
        )


def weights(*shape: int) -> np.ndarray:
    """Positive numbers, so that roots, logarithms and variances exist."""
    return np.random.default_rng(5).uniform(0.2, 0.9, shape)


def _one(op: str, inputs: str, constants: Mapping[str, Any] | None = None, *, x: tuple[int, ...] = X, opset: int = OPSET, label: str = "", **attributes: Any) -> Example:  # fmt: skip
    label = label or ",".join(f"{key}={value}" for key, value in attributes.items())
    return Example(f"{op}({label})", [node(op, inputs, **attributes)], {"x": x}, constants or {}, opset)


def _two(op: str, a: tuple[int, ...], b: tuple[int, ...], **attributes: Any) -> Example:
    return Example(f"{op}({a},{b})", [node(op, "a b", **attributes)], {"a": a, "b": b})


def _ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def _float(number: float) -> np.ndarray:
    return np.array(number, dtype=np.float32)


W = {"w": weights(6, 2, 3, 3), "b": weights(6)}
CONVOLUTIONS = [
    _one("Conv", "x w b", W, x=IMAGE, group=2, pads=[1, 0, 2, 1], strides=[2, 1], dilations=[1, 2]),
    _one("Conv", "x w", {"w": weights(6, 4, 3, 2)}, x=IMAGE, auto_pad="SAME_UPPER", strides=[2, 2]),
    _one("Conv", "x w", {"w": weights(6, 4, 2, 2)}, x=IMAGE, auto_pad="SAME_LOWER"),
    _one("Conv", "x w", {"w": weights(6, 4, 3, 3)}, x=IMAGE, auto_pad="VALID"),
    _one("Conv", "x w b", {"w": weights(2, 3, 3), "b": weights(2)}, label="1-D"),
    _one("Conv", "x w", {"w": weights(2, 3, 1, 2, 2)}, x=(1, 3, 2, 4, 3), label="3-D"),
    _one("ConvTranspose", "x w b", {"w": weights(4, 3, 3, 3), "b": weights(6)}, x=IMAGE, group=2, strides=[2, 2],
         pads=[1, 0, 1, 1], output_padding=[1, 0]),
    _one("ConvTranspose", "x w", {"w": weights(4, 3, 2, 3)}, x=IMAGE, strides=[2, 2], output_shape=[13, 12]),
    _one("ConvTranspose", "x w", {"w": weights(4, 3, 3, 3)}, x=IMAGE, strides=[2, 2], auto_pad="SAME_UPPER"),
]  # fmt: skip
POOLINGS = [
    _one(op, "x", x=IMAGE, **attributes)
    for op in ("MaxPool", "AveragePool")
    for attributes in (
        {"kernel_shape": [2, 3]}, {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"kernel_shape": [3, 2], "strides": [2, 2], "ceil_mode": 1}, {"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER"},
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "pads": [0, 1, 1, 0]},
    )
]  # fmt: skip
POOLINGS += [
    _one("MaxPool", "x", x=IMAGE, kernel_shape=[2, 2], dilations=[2, 1]),
    _one("AveragePool", "x", x=IMAGE, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    _one("AveragePool", "x", x=IMAGE, kernel_shape=[3, 3], pads=[1, 0, 1, 0], strides=[2, 2], count_include_pad=1, ceil_mode=1),
    _one("GlobalAveragePool", "x", x=IMAGE),
    _one("GlobalMaxPool", "x", x=IMAGE),
]  # fmt: skip
DENSE = [
    _one("Gemm", "x w b", {"w": weights(5, 3), "b": weights(5)}, x=(4, 3), transB=1),
    _one("Gemm", "x w b", {"w": weights(3, 5), "b": weights(1, 5)}, x=(4, 3), label="plain"),
    _one("Gemm", "x w b", {"w": weights(3, 5), "b": weights(4, 1)}, x=(3, 4), transA=1, alpha=0.5, beta=2.0),
    _one("Gemm", "x w b", {"w": weights(3, 5), "b": _float(0.5)}, x=(4, 3), label="scalar"),
    Example("Gemm(computed)", [node("Gemm", "a b c")], {"a": (2, 3), "b": (3, 4), "c": (4,)}),
    _one("MatMul", "x w", {"w": weights(5, 4)}, label="layer"),
    _one("MatMul", "x w", {"w": weights(3, 5, 4)}, x=(2, 3, 6, 5), label="stack"),
    _one("MatMul", "x w", {"w": weights(5)}, label="vector"),
    _one("MatMul", "w x", {"w": weights(4, 3)}, x=(3, 5), label="left"),
    _two("MatMul", (2, 3, 4, 5), (2, 1, 5, 6)), _two("MatMul", (4, 5), (3, 5, 6)), _two("MatMul", (5,), (3, 5, 6)),
    _two("MatMul", (3, 4, 5), (5,)), _two("MatMul", (5,), (5,)), _two("MatMul", (1, 4, 5), (5, 6)),
]  # fmt: skip
ACTIVATIONS = [
    *(_one(op, "x") for op in ("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "HardSwish", "Mish", "Selu", "Elu")),
    *(_one(op, "x") for op in ("LeakyRelu", "Celu", "HardSigmoid", "ThresholdedRelu", "Gelu", "Softmax", "LogSoftmax")),
    _one("LeakyRelu", "x", alpha=0.3), _one("Elu", "x", alpha=0.5), _one("Celu", "x", alpha=2.0),
    _one("HardSigmoid", "x", alpha=0.5, beta=0.1), _one("Selu", "x", alpha=1.5, gamma=1.2),
    _one("Shrink", "x"), _one("Shrink", "x", lambd=0.3, bias=0.3), _one("Shrink", "x", lambd=0.2, bias=0.1),
    _one("ThresholdedRelu", "x", alpha=0.5), _one("Gelu", "x", approximate="tanh"),
    _one("Softmax", "x", axis=1), _one("Softmax", "x", axis=1, opset=11), _one("Softmax", "x", opset=11, x=(2, 5, 1, 1), label="1x1"),
    _one("LogSoftmax", "x", axis=0, opset=11), _one("Softmax", "x", axis=-1, opset=11),
    _one("PRelu", "x w", {"w": weights(3, 1)}), _one("PRelu", "x w", {"w": weights(1)}, label="one"),
    _one("Clip", "x low high", {"low": _float(0), "high": _float(6)}), _one("Clip", "x low", {"low": _float(0)}, label="low"),
    _one("Clip", "x - high", {"high": _float(0.3)}, label="high"), _one("Clip", "x low high", {"low": _float(-0.2), "high": _float(0.3)}, label="both"),
    _one("Clip", "x", opset=6, min=-1.0, max=1.0), _one("Clip", "x", label="open"),
]  # fmt: skip
ELEMENTWISE = [
    *(_one(op, "x w", {"w": weights(3, 1)}) for op in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow")),
    *(_two(op, (2, 1, 4), (3, 1)) for op in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow")),
    *(_one(op, "x") for op in ("Sqrt", "Exp", "Log", "Neg", "Abs", "Erf", "Sin", "Cos", "Floor", "Ceil", "Round", "Sign")),
    *(_one(op, "x") for op in ("Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Atanh")),
    Example("Acosh", [node("Add", "x one", "z"), node("Acosh", "z")], {"x": X}, {"one": _float(1)}),
    *(_one("Pow", "x e", {"e": _float(e)}, label=f"to {e}") for e in (-1, 0, 1, 3, 4)), _one("Pow", "x e", {"e": weights(1, 1, 1, 1)}, label="wider"),
    _one("Reciprocal", "x"), _one("Pow", "x two", {"two": _float(2)}, label="square"), _one("Pow", "x half", {"half": _float(0.5)}, label="root"),
    _one("Add", "x one", {"one": _float(1)}, label="scalar"),
    Example("Sum()", [node("Sum", "a b c")], {"a": (2, 3), "b": (2, 3), "c": (3,)}),
    Example("Mean()", [node("Mean", "a b c")], {"a": (2, 3), "b": (2, 3), "c": (3,)}),
    Example("Max(3)", [node("Max", "a b c")], {"a": (2, 3), "b": (2, 3), "c": (3,)}),
    Example("Add(ints)", [node("Add", "i0 i1")], {"i0": (2, 3), "i1": (3,)}),
    *(Example(op, [node(op, "a b", "c"), node("Where", "c a b")], {"a": (2, 3), "b": (3,)})
      for op in ("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal")),
    *(Example(op, [node("Greater", "a b", "c"), node("Less", "a b", "d"), node(op, "c d", "e"), node("Where", "e a b")],
              {"a": (2, 3), "b": (3,)}) for op in ("And", "Or", "Xor")),
    Example("Not", [node("Greater", "a b", "c"), node("Not", "c", "d"), node("Where", "d a b")], {"a": (2, 3), "b": (3,)}),
    *(Example(op, [node(op, "i0 i1")], {"i0": (2, 3), "i1": (3,)}) for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")),
    Example("BitwiseNot", [node("BitwiseNot", "i0")], {"i0": (2, 3)}),
    Example("Where", [node("Greater", "a b", "c"), node("Where", "c a b")], {"a": (2, 3), "b": (3,)}),
    Example("Equal", [node("Equal", "s t", "e"), node("Where", "e s t", "z"), node("Expand", "x z")], {"x": (2, 3)},
            {"s": _ints(2, -1), "t": _ints(2, 3)}),
]  # fmt: skip
NORMALIZATIONS = [
    _one("BatchNormalization", "x s b m v", dict(zip("sbmv", [weights(4)] * 4, strict=True)), x=IMAGE, epsilon=1e-3),
    _one("BatchNormalization", "x s b m v", dict(zip("sbmv", [weights(4)] * 4, strict=True)), x=(3, 4)),
    _one("InstanceNormalization", "x s b", {"s": weights(4), "b": weights(4)}, x=IMAGE),
    _one("LayerNormalization", "x s b", {"s": weights(5), "b": weights(5)}),
    _one("LayerNormalization", "x s", {"s": weights(3, 5)}, axis=1), _one("LayerNormalization", "x s b", {"s": weights(3, 5), "b": weights(5)}, axis=-2),
    _one("GroupNormalization", "x s b", {"s": weights(4), "b": weights(4)}, x=IMAGE, num_groups=2),
    _one("RMSNormalization", "x s", {"s": weights(5)}, opset=23), _one("LRN", "x", x=IMAGE, size=3), _one("LRN", "x", x=IMAGE, size=5, alpha=0.1, beta=0.5, bias=2.0),
    _one("Dropout", "x"), _one("Dropout", "x", ratio=0.3, opset=10),
]  # fmt: skip
CONSTANTS = [
    Example("Constant", [node("Constant", "", "c", value=numpy_helper.from_array(weights(5).astype(np.float32))), node("Add", "x c")], {"x": X}),
    Example("Constant(value_float)", [node("Constant", "", "c", value_float=2.5), node("Mul", "x c")], {"x": X}),
    Example("Constant(value_ints)", [node("Constant", "", "c", value_ints=[5, 6]), node("Reshape", "x c")], {"x": X}),
    Example("Constant(value_int)", [node("Constant", "", "c", value_int=1), node("Gather", "x c", axis=1)], {"x": X}),
    Example("ConstantOfShape", [node("ConstantOfShape", "s", "c", value=helper.make_tensor("", 1, [1], [0.5])), node("Mul", "x c")], {"x": X}, {"s": _ints(5)}),
    Example("ConstantOfShape(state)", [node("Shape", "x", "s"), node("ConstantOfShape", "s", "c"), node("Add", "x c")], {"x": X}),
    Example("Identity", [node("Identity", "w", "v"), node("Add", "x v")], {"x": X}, {"w": weights(5)}),
    Example("Size", [node("Size", "x", "n"), node("Cast", "n", "f", to=1), node("Div", "x f")], {"x": X}),
    Example("Cast(ints)", [node("Cast", "i0", to=1)], {"i0": (2, 3)}), Example("Cast(floats)", [node("Cast", "x", "c", to=7), node("Cast", "c", to=1)], {"x": X}),
    Example("Cast(known)", [node("Cast", "f", "n", to=7), node("Gather", "x n", "g", axis=1), node("Cast", "n", "m", to=1), node("Mul", "g m")], {"x": X}, {"f": _float(1.9)}),
    Example("Range", [node("Range", "a b c", "r"), node("Gather", "x r", axis=2)], {"x": X}, {"a": np.int64(0), "b": np.int64(5), "c": np.int64(2)}),
]  # fmt: skip
SHAPES = [
    _one("Reshape", "x s", {"s": _ints(0, -1)}), _one("Reshape", "x s", {"s": _ints(5, 3, 2)}), _one("Flatten", "x"), _one("Flatten", "x", axis=0),
    _one("Flatten", "x", axis=-1), _one("Flatten", "x", axis=3), _one("Transpose", "x"), _one("Transpose", "x", perm=[1, 0, 2]),
    _one("Squeeze", "x", x=(1, 3, 1)), _one("Squeeze", "x a", {"a": _ints(-1)}, x=(1, 3, 1)), _one("Squeeze", "x", x=(1, 3, 1), axes=[0], opset=11),
    _one("Unsqueeze", "x a", {"a": _ints(0, -1)}), _one("Unsqueeze", "x", axes=[1], opset=11), _one("Expand", "x s", {"s": _ints(4, 1, 3, 5)}, x=(3, 1)),
    _one("DepthToSpace", "x", x=(1, 8, 2, 3), blocksize=2), _one("DepthToSpace", "x", x=(1, 8, 2, 3), blocksize=2, mode="CRD"),
    _one("SpaceToDepth", "x", x=(1, 2, 4, 6), blocksize=2),
    Example("Shape", [node("Shape", "x", "s", start=1), node("ReduceProd", "s", "n", keepdims=1), node("Concat", "two n", "t", axis=0), node("Reshape", "x t")],
            {"x": X}, {"two": _ints(2)}),
    Example("Shape(arithmetic)", [node("Shape", "x", "s"), node("Gather", "s one", "d"), node("Div", "d three", "e"), node("Mul", "e five", "f"),
            node("Sub", "f one", "g"), node("Add", "g one", "h"), node("Unsqueeze", "h zero", "k"), node("Concat", "k minus", "t", axis=0), node("Reshape", "x t")],
            {"x": X}, {"one": np.int64(1), "three": np.int64(3), "five": np.int64(5), "zero": _ints(0), "minus": _ints(-1)}),
]  # fmt: skip
MOVES = [
    Example("Concat", [node("Concat", "a b", axis=-1)], {"a": (2, 3), "b": (2, 4)}),
    Example("Split", [node("Split", "x s", "y z", axis=1)], {"x": (2, 5)}, {"s": _ints(2, 3)}, outputs=("y", "z")),
    Example("Split(equal)", [node("Split", "x", "y z", axis=1, num_outputs=2)], {"x": (2, 5)}, outputs=("y", "z")),
    Example("Split(11)", [node("Split", "x", "y z", axis=0, split=[1, 1])], {"x": (2, 5)}, opset=11, outputs=("y", "z")),
    _one("Slice", "x a b c", {"a": _ints(1), "b": _ints(99), "c": _ints(-1)}), _one("Slice", "x", starts=[0, 1], ends=[2, -1], opset=9),
    _one("Slice", "x a b c d", {"a": _ints(-1), "b": _ints(-99), "c": _ints(2), "d": _ints(-2)}), _one("Slice", "x a b c d", {"a": _ints(0), "b": _ints(5), "c": _ints(2), "d": _ints(2)}, label="step"),
    _one("Slice", "x a b c d", {"a": _ints(3), "b": _ints(0), "c": _ints(2), "d": _ints(-1)}, label="back"),
    _one("Pad", "x p", {"p": _ints(0, 1, 2, 0, 0, 1)}), _one("Pad", "x p v a", {"p": _ints(1, 2), "v": _float(0.7), "a": _ints(1)}, label="axes"),
    _one("Pad", "x", pads=[0, 0, 1, 0, 1, 0], value=0.3, opset=10), *(_one("Pad", "x p", {"p": _ints(0, 1, 2, 0, 0, 1)}, mode=mode) for mode in ("reflect", "edge", "wrap")),
    _one("Tile", "x r", {"r": _ints(1, 2, 3)}),
    _one("Gather", "x i", {"i": _ints(0, 2)}, axis=1), _one("Gather", "x i", {"i": np.int64(-1)}, axis=2), Example("Gather(embedding)", [node("Gather", "w i0")], {"i0": (2, 3)}, {"w": weights(4, 5)}),
    Example("GatherElements", [node("GatherElements", "x i0", axis=1)], {"x": (2, 3), "i0": (2, 2)}), _one("ArgMax", "x", axis=1), _one("ArgMin", "x", keepdims=0),
]  # fmt: skip
REDUCTIONS = [
    *(_one(op, "x a", {"a": _ints(-1)}, keepdims=keep) for keep in (0, 1)
      for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare", "ReduceL1", "ReduceL2",
                 "ReduceLogSum", "ReduceLogSumExp")),
    _one("ReduceLogSumExp", "x", axes=[0, 2], keepdims=0, opset=11),
    *(_one("CumSum", "x a", {"a": np.int64(-2)}, exclusive=e, reverse=r) for e in (0, 1) for r in (0, 1)),
    _one("ReduceSum", "x"), _one("ReduceMean", "x", axes=[0, 2], opset=11), _one("ReduceSum", "x", axes=[1], keepdims=0, opset=11),
    _one("ReduceMax", "x", noop_with_empty_axes=1),
]  # fmt: skip


def _recurrent(op: str, gates: int, *, directions: int = 1, states: int = 0, bias: bool = True, outputs: str = "y z", **attributes: Any) -> Example:  # fmt: skip
    """Over 3 steps of 2 examples with 3 features, 2 hidden units."""
    arrays = {"w": weights(directions, 2 * gates, 3), "r": weights(directions, 2 * gates, 2) - 0.5}
    inputs = {"x": (3, 2, 3)} | {f"s{number}": (directions, 2, 2) for number in range(states)}
    names = ["x w r", "b" if bias else "-", *(["-", *(f"s{number}" for number in range(states))] if states else [])]
    arrays |= {"b": weights(directions, 4 * gates) - 0.4} if bias else {}
    label = f"{op}(directions={directions},states={states},bias={bias})"
    made = node(op, " ".join(names), outputs, hidden_size=2, **attributes)
    return Example(label, [made], inputs, arrays, outputs=tuple(outputs.split()))


RECURRENT = [
    _recurrent("RNN", 1), _recurrent("RNN", 1, bias=False, direction="reverse"),
    _recurrent("LSTM", 4, outputs="y z c"), _recurrent("LSTM", 4, states=2),
    _recurrent("LSTM", 4, directions=2, direction="bidirectional", outputs="y z c"),
    _recurrent("GRU", 3, linear_before_reset=1), _recurrent("GRU", 3, states=1, linear_before_reset=1, direction="reverse"),
    _recurrent("GRU", 3, directions=2, direction="bidirectional", linear_before_reset=1),
]  # fmt: skip
EXAMPLES = [
    *CONVOLUTIONS, *POOLINGS, *DENSE, *ACTIVATIONS, *ELEMENTWISE, *NORMALIZATIONS, *CONSTANTS, *SHAPES, *MOVES, *REDUCTIONS,
    *RECURRENT,
]  # fmt: skip
