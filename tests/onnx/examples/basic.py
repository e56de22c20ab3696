"""Examples of the operations that most networks consist of."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests.onnx.examples.example import IMAGE, Example, X, ints, one, single, two, weights
from tests.onnx.models import node

W = {"w": weights(6, 2, 3, 3), "b": weights(6)}
CONVOLUTIONS = [
    one("Conv", "x w b", W, x=IMAGE, group=2, pads=[1, 0, 2, 1], strides=[2, 1], dilations=[1, 2]),
    one("Conv", "x w", {"w": weights(6, 4, 3, 2)}, x=IMAGE, auto_pad="SAME_UPPER", strides=[2, 2]),
    one("Conv", "x w", {"w": weights(6, 4, 2, 2)}, x=IMAGE, auto_pad="SAME_LOWER"),
    one("Conv", "x w", {"w": weights(6, 4, 3, 3)}, x=IMAGE, auto_pad="VALID"),
    one("Conv", "x w b", {"w": weights(2, 3, 3), "b": weights(2)}, label="1-D"),
    one("Conv", "x w", {"w": weights(2, 3, 1, 2, 2)}, x=(1, 3, 2, 4, 3), label="3-D"),
    one("ConvTranspose", "x w b", {"w": weights(4, 3, 3, 3), "b": weights(6)}, x=IMAGE, group=2, strides=[2, 2],
         pads=[1, 0, 1, 1], output_padding=[1, 0]),
    one("ConvTranspose", "x w", {"w": weights(4, 3, 2, 3)}, x=IMAGE, strides=[2, 2], output_shape=[13, 12]),
    one("ConvTranspose", "x w", {"w": weights(4, 3, 3, 3)}, x=IMAGE, strides=[2, 2], auto_pad="SAME_UPPER"),
]  # fmt: skip
POOLINGS = [
    one(op, "x", x=IMAGE, **attributes)
    for op in ("MaxPool", "AveragePool")
    for attributes in (
        {"kernel_shape": [2, 3]}, {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"kernel_shape": [3, 2], "strides": [2, 2], "ceil_mode": 1}, {"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER"},
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "pads": [0, 1, 1, 0]},
    )
]  # fmt: skip
POOLINGS += [
    one("MaxPool", "x", x=IMAGE, kernel_shape=[2, 2], dilations=[2, 1]),
    one("AveragePool", "x", x=IMAGE, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    one("AveragePool", "x", x=IMAGE, kernel_shape=[3, 3], pads=[1, 0, 1, 0], strides=[2, 2], count_include_pad=1, ceil_mode=1),
    one("GlobalAveragePool", "x", x=IMAGE),
    one("GlobalMaxPool", "x", x=IMAGE),
]  # fmt: skip
DENSE = [
    one("Gemm", "x w b", {"w": weights(5, 3), "b": weights(5)}, x=(4, 3), transB=1),
    one("Gemm", "x w b", {"w": weights(3, 5), "b": weights(1, 5)}, x=(4, 3), label="plain"),
    one("Gemm", "x w b", {"w": weights(3, 5), "b": weights(4, 1)}, x=(3, 4), transA=1, alpha=0.5, beta=2.0),
    one("Gemm", "x w b", {"w": weights(3, 5), "b": single(0.5)}, x=(4, 3), label="scalar"),
    Example("Gemm(computed)", [node("Gemm", "a b c")], {"a": (2, 3), "b": (3, 4), "c": (4,)}),
    one("MatMul", "x w", {"w": weights(5, 4)}, label="layer"),
    one("MatMul", "x w", {"w": weights(3, 5, 4)}, x=(2, 3, 6, 5), label="stack"),
    one("MatMul", "x w", {"w": weights(5)}, label="vector"),
    one("MatMul", "w x", {"w": weights(4, 3)}, x=(3, 5), label="left"),
    two("MatMul", (2, 3, 4, 5), (2, 1, 5, 6)), two("MatMul", (4, 5), (3, 5, 6)), two("MatMul", (5,), (3, 5, 6)),
    two("MatMul", (3, 4, 5), (5,)), two("MatMul", (5,), (5,)), two("MatMul", (1, 4, 5), (5, 6)),
]  # fmt: skip
ACTIVATIONS = [
    *(one(op, "x") for op in ("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "HardSwish", "Mish", "Selu", "Elu")),
    *(one(op, "x") for op in ("LeakyRelu", "Celu", "HardSigmoid", "ThresholdedRelu", "Gelu", "Softmax", "LogSoftmax")),
    one("LeakyRelu", "x", alpha=0.3), one("Elu", "x", alpha=0.5), one("Celu", "x", alpha=2.0),
    one("HardSigmoid", "x", alpha=0.5, beta=0.1), one("Selu", "x", alpha=1.5, gamma=1.2),
    one("Shrink", "x"), one("Shrink", "x", lambd=0.3, bias=0.3), one("Shrink", "x", lambd=0.2, bias=0.1),
    one("ThresholdedRelu", "x", alpha=0.5), one("Gelu", "x", approximate="tanh"),
    one("Softmax", "x", axis=1), one("Softmax", "x", axis=1, opset=11), one("Softmax", "x", opset=11, x=(2, 5, 1, 1), label="1x1"),
    one("LogSoftmax", "x", axis=0, opset=11), one("Softmax", "x", axis=-1, opset=11),
    one("PRelu", "x w", {"w": weights(3, 1)}), one("PRelu", "x w", {"w": weights(1)}, label="one"),
    one("Clip", "x low high", {"low": single(0), "high": single(6)}), one("Clip", "x low", {"low": single(0)}, label="low"),
    one("Clip", "x - high", {"high": single(0.3)}, label="high"), one("Clip", "x low high", {"low": single(-0.2), "high": single(0.3)}, label="both"),
    one("Clip", "x", opset=6, min=-1.0, max=1.0), one("Clip", "x", label="open"),
]  # fmt: skip
ELEMENTWISE = [
    *(one(op, "x w", {"w": weights(3, 1)}) for op in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow")),
    *(two(op, (2, 1, 4), (3, 1)) for op in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow")),
    *(one(op, "x") for op in ("Sqrt", "Exp", "Log", "Neg", "Abs", "Erf", "Sin", "Cos", "Floor", "Ceil", "Round", "Sign")),
    *(one(op, "x") for op in ("Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Atanh")),
    Example("Acosh", [node("Add", "x one", "z"), node("Acosh", "z")], {"x": X}, {"one": single(1)}),
    *(one("Pow", "x e", {"e": single(e)}, label=f"to {e}") for e in (-1, 0, 1, 3, 4)), one("Pow", "x e", {"e": weights(1, 1, 1, 1)}, label="wider"),
    one("Reciprocal", "x"), one("Pow", "x two", {"two": single(2)}, label="square"), one("Pow", "x half", {"half": single(0.5)}, label="root"),
    one("Add", "x one", {"one": single(1)}, label="scalar"),
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
            {"s": ints(2, -1), "t": ints(2, 3)}),
]  # fmt: skip
NORMALIZATIONS = [
    one("BatchNormalization", "x s b m v", dict(zip("sbmv", [weights(4)] * 4, strict=True)), x=IMAGE, epsilon=1e-3),
    one("BatchNormalization", "x s b m v", dict(zip("sbmv", [weights(4)] * 4, strict=True)), x=(3, 4)),
    one("InstanceNormalization", "x s b", {"s": weights(4), "b": weights(4)}, x=IMAGE),
    one("LayerNormalization", "x s b", {"s": weights(5), "b": weights(5)}),
    one("LayerNormalization", "x s", {"s": weights(3, 5)}, axis=1), one("LayerNormalization", "x s b", {"s": weights(3, 5), "b": weights(5)}, axis=-2),
    one("GroupNormalization", "x s b", {"s": weights(4), "b": weights(4)}, x=IMAGE, num_groups=2),
    one("RMSNormalization", "x s", {"s": weights(5)}, opset=23), one("LRN", "x", x=IMAGE, size=3), one("LRN", "x", x=IMAGE, size=5, alpha=0.1, beta=0.5, bias=2.0),
    one("Dropout", "x"), one("Dropout", "x", ratio=0.3, opset=10),
]  # fmt: skip
CONSTANTS = [
    Example("Constant", [node("Constant", "", "c", value=numpy_helper.from_array(weights(5).astype(np.float32))), node("Add", "x c")], {"x": X}),
    Example("Constant(value_float)", [node("Constant", "", "c", value_float=2.5), node("Mul", "x c")], {"x": X}),
    Example("Constant(value_ints)", [node("Constant", "", "c", value_ints=[5, 6]), node("Reshape", "x c")], {"x": X}),
    Example("Constant(value_int)", [node("Constant", "", "c", value_int=1), node("Gather", "x c", axis=1)], {"x": X}),
    Example("ConstantOfShape", [node("ConstantOfShape", "s", "c", value=helper.make_tensor("", 1, [1], [0.5])), node("Mul", "x c")], {"x": X}, {"s": ints(5)}),
    Example("ConstantOfShape(state)", [node("Shape", "x", "s"), node("ConstantOfShape", "s", "c"), node("Add", "x c")], {"x": X}),
    Example("Identity", [node("Identity", "w", "v"), node("Add", "x v")], {"x": X}, {"w": weights(5)}),
    Example("Size", [node("Size", "x", "n"), node("Cast", "n", "f", to=1), node("Div", "x f")], {"x": X}),
    Example("Cast(ints)", [node("Cast", "i0", to=1)], {"i0": (2, 3)}), Example("Cast(floats)", [node("Cast", "x", "c", to=7), node("Cast", "c", to=1)], {"x": X}),
    Example("Cast(known)", [node("Cast", "f", "n", to=7), node("Gather", "x n", "g", axis=1), node("Cast", "n", "m", to=1), node("Mul", "g m")], {"x": X}, {"f": single(1.9)}),
    Example("Range", [node("Range", "a b c", "r"), node("Gather", "x r", axis=2)], {"x": X}, {"a": np.int64(0), "b": np.int64(5), "c": np.int64(2)}),
]  # fmt: skip
SHAPES = [
    one("Reshape", "x s", {"s": ints(0, -1)}), one("Reshape", "x s", {"s": ints(5, 3, 2)}), one("Flatten", "x"), one("Flatten", "x", axis=0),
    one("Flatten", "x", axis=-1), one("Flatten", "x", axis=3), one("Transpose", "x"), one("Transpose", "x", perm=[1, 0, 2]),
    one("Squeeze", "x", x=(1, 3, 1)), one("Squeeze", "x a", {"a": ints(-1)}, x=(1, 3, 1)), one("Squeeze", "x", x=(1, 3, 1), axes=[0], opset=11),
    one("Unsqueeze", "x a", {"a": ints(0, -1)}), one("Unsqueeze", "x", axes=[1], opset=11), one("Expand", "x s", {"s": ints(4, 1, 3, 5)}, x=(3, 1)),
    one("DepthToSpace", "x", x=(1, 8, 2, 3), blocksize=2), one("DepthToSpace", "x", x=(1, 8, 2, 3), blocksize=2, mode="CRD"),
    one("SpaceToDepth", "x", x=(1, 2, 4, 6), blocksize=2),
    Example("Shape", [node("Shape", "x", "s", start=1), node("ReduceProd", "s", "n", keepdims=1), node("Concat", "two n", "t", axis=0), node("Reshape", "x t")],
            {"x": X}, {"two": ints(2)}),
    Example("Shape(arithmetic)", [node("Shape", "x", "s"), node("Gather", "s one", "d"), node("Div", "d three", "e"), node("Mul", "e five", "f"),
            node("Sub", "f one", "g"), node("Add", "g one", "h"), node("Unsqueeze", "h zero", "k"), node("Concat", "k minus", "t", axis=0), node("Reshape", "x t")],
            {"x": X}, {"one": np.int64(1), "three": np.int64(3), "five": np.int64(5), "zero": ints(0), "minus": ints(-1)}),
]  # fmt: skip
MOVES = [
    Example("Concat", [node("Concat", "a b", axis=-1)], {"a": (2, 3), "b": (2, 4)}),
    Example("Split", [node("Split", "x s", "y z", axis=1)], {"x": (2, 5)}, {"s": ints(2, 3)}, outputs=("y", "z")),
    Example("Split(equal)", [node("Split", "x", "y z", axis=1, num_outputs=2)], {"x": (2, 5)}, outputs=("y", "z")),
    Example("Split(11)", [node("Split", "x", "y z", axis=0, split=[1, 1])], {"x": (2, 5)}, opset=11, outputs=("y", "z")),
    one("Slice", "x a b c", {"a": ints(1), "b": ints(99), "c": ints(-1)}), one("Slice", "x", starts=[0, 1], ends=[2, -1], opset=9),
    one("Slice", "x a b c d", {"a": ints(-1), "b": ints(-99), "c": ints(2), "d": ints(-2)}), one("Slice", "x a b c d", {"a": ints(0), "b": ints(5), "c": ints(2), "d": ints(2)}, label="step"),
    one("Slice", "x a b c d", {"a": ints(3), "b": ints(0), "c": ints(2), "d": ints(-1)}, label="back"),
    *(one("Slice", "x a b c d", {"a": ints(start), "b": ints(end), "c": ints(1), "d": ints(step)}, label=f"{start},{end},{step}")
      for start, end, step in ((-5, -9, -1), (-4, -9, -2), (-8, -2**63, -1), (-9, -3, -1))),
    one("Pad", "x p", {"p": ints(0, 1, 2, 0, 0, 1)}), one("Pad", "x p v a", {"p": ints(1, 2), "v": single(0.7), "a": ints(1)}, label="axes"),
    one("Pad", "x", pads=[0, 0, 1, 0, 1, 0], value=0.3, opset=10), *(one("Pad", "x p", {"p": ints(0, 1, 2, 0, 0, 1)}, mode=mode) for mode in ("reflect", "edge", "wrap")),
    one("Tile", "x r", {"r": ints(1, 2, 3)}),
    one("Gather", "x i", {"i": ints(0, 2)}, axis=1), one("Gather", "x i", {"i": np.int64(-1)}, axis=2), Example("Gather(embedding)", [node("Gather", "w i0")], {"i0": (2, 3)}, {"w": weights(4, 5)}),
    Example("GatherElements", [node("GatherElements", "x i0", axis=1)], {"x": (2, 3), "i0": (2, 2)}), one("ArgMax", "x", axis=1), one("ArgMin", "x", keepdims=0),
]  # fmt: skip
REDUCTIONS = [
    *(one(op, "x a", {"a": ints(-1)}, keepdims=keep) for keep in (0, 1)
      for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare", "ReduceL1", "ReduceL2",
                 "ReduceLogSum", "ReduceLogSumExp")),
    one("ReduceLogSumExp", "x", axes=[0, 2], keepdims=0, opset=11),
    *(one("CumSum", "x a", {"a": np.int64(-2)}, exclusive=e, reverse=r) for e in (0, 1) for r in (0, 1)),
    one("ReduceSum", "x"), one("ReduceMean", "x", axes=[0, 2], opset=11), one("ReduceSum", "x", axes=[1], keepdims=0, opset=11),
    one("ReduceMax", "x", noop_with_empty_axes=1),
    *(Example(f"Pow(ints,{power})", [node("Add", "i0 i0", "t"), node("Sub", "t c", "n"), node("Mul", "n d", "m"), node("Pow", "m e")], {"i0": (3, 5)}, {"c": ints(1), "d": ints(-2, 1, 2, -1, 1), "e": ints(power)})
      for power in (-1, -2, -3)),
    Example("Pow(constant ints)", [node("Pow", "c e", "p"), node("Add", "p i0")], {"i0": (3,)}, {"c": ints(2, 1, -1), "e": ints(-1)}),
    *(Example(f"Relu({kind} bits)", [node("Sub", "i0 c", "n"), node("Relu", "n", "r"), node("BitwiseXor", "r n")], {"i0": (3, 5)},
              {"c": np.array([1, -4, 0, 3, 1], dtype=kind)}, types={"i0": number}) for kind, number in (("int32", TensorProto.INT32), ("int8", TensorProto.INT8))),
    one("Hardmax", "x", x=(2, 0, 3), axis=1),
    *(Example(f"{op}({label})", [node("Abs", "x", "a"), node(op, "a", **settings)], {"x": shape})
      for op in ("ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp")
      for label, shape, settings in (("scalar", (), {"keepdims": 1}), ("no axes", (2, 3), {"noop_with_empty_axes": 1}))),
    *(Example(f"{op}(ints)", [node("Add", "i0 c", "n"), node(op, "n", "m", keepdims=0), node("Mul", "m c")], {"i0": (3, 5)}, {"c": ints(10)}, opset=13)
      for op in ("ReduceMean", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp")),
    *(Example(f"{op}(ints as floats)", [node("Sub", "i0 c", "n"), node(op, "n", "m", axes=[1]), node("Cast", "m", to=TensorProto.FLOAT)], {"i0": (3, 5)}, {"c": ints(3)}, opset=13)
      for op in ("ReduceMean", "ReduceL2", "ReduceLogSumExp")),
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
