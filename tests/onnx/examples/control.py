"""Examples of branches, loops, sequences and optionals."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.onnx.examples.example import Example, ints, single, weights
from tests.onnx.models import node

INT, BOOL, FLOAT = TensorProto.INT64, TensorProto.BOOL, TensorProto.FLOAT


def _body(nodes: list[onnx.NodeProto], inputs: dict[str, int], outputs: str) -> onnx.GraphProto:
    """A body with inputs of these types: counters and conditions are single, floats of any shape; ``d`` is a condition."""
    described = [
        helper.make_tensor_value_info(name, kind, None if kind == FLOAT else []) for name, kind in inputs.items()
    ]
    made = [
        helper.make_tensor_value_info(name, BOOL if name == "d" else FLOAT, [] if name == "d" else None)
        for name in outputs.split()
    ]
    return helper.make_graph(nodes, "body", described, made)


def _with(op: str, inputs: str, outputs: str = "y", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, [i if i != "-" else "" for i in inputs.split()], outputs.split(), **attributes)


_THEN = _body([node("MatMul", "x w", "t")], {}, "t")
_ELSE = _body([node("Add", "x x", "e")], {}, "e")
_STEP = _body(
    [node("MatMul", "s w", "p"), node("Identity", "c", "d"), node("Identity", "p", "q")], {"i": INT, "c": BOOL, "s": FLOAT}, "d p q"
)  # fmt: skip
_COUNTED = _body(
    [node("Cast", "i", "f", to=FLOAT), node("Mul", "s f", "p"), node("Identity", "c", "d")],
    {"i": INT, "c": BOOL, "s": FLOAT}, "d p",
)  # fmt: skip
_CELL = _body(
    [node("MatMul", "s w", "a"), node("Add", "a e", "b"), node("Tanh", "b", "o")], {"s": FLOAT, "e": FLOAT}, "b o"
)
_SQUARE = {"w": weights(3, 3) - 0.5}
_TRUE = np.array(True)
EXAMPLES = [
    Example("If(then)", [_with("If", "c", then_branch=_THEN, else_branch=_ELSE)], {"x": (2, 3)}, {**_SQUARE, "c": _TRUE}),
    Example("If(else)", [_with("If", "c", then_branch=_THEN, else_branch=_ELSE)], {"x": (2, 3)}, {**_SQUARE, "c": ~_TRUE}),
    Example("Loop(short)", [_with("Loop", "n c x", "y z", body=_STEP)], {"x": (2, 3)}, {**_SQUARE, "n": np.int64(4), "c": _TRUE}, outputs=("y", "z")),
    Example("Loop(long)", [_with("Loop", "n - x", "y z", body=_STEP)], {"x": (2, 3)}, {**_SQUARE, "n": np.int64(80)}, outputs=("y", "z")),
    Example("Loop(counting)", [_with("Loop", "n - x", body=_COUNTED)], {"x": (2, 3)}, {"n": np.int64(3)}),
    Example("Scan", [_with("Scan", "s x", "y z", body=_CELL, num_scan_inputs=1)], {"s": (2, 3), "x": (5, 2, 3)}, _SQUARE, outputs=("y", "z")),
    Example("Scan(backwards)", [_with("Scan", "s x", "y z", body=_CELL, num_scan_inputs=1, scan_input_axes=[1], scan_input_directions=[1],
            scan_output_axes=[1], scan_output_directions=[1])], {"s": (2, 3), "x": (2, 5, 3)}, _SQUARE, outputs=("y", "z")),
    Example("Scan(8)", [_with("Scan", "- s x", "y z", body=_CELL, num_scan_inputs=1)], {"s": (2, 1, 3), "x": (2, 5, 1, 3)}, _SQUARE, opset=8, outputs=("y", "z")),
    Example("SequenceConstruct", [_with("SequenceConstruct", "a b", "s"), _with("ConcatFromSequence", "s", axis=1)], {"a": (2, 3), "b": (2, 1)}),
    Example("SequenceInsert", [_with("SequenceEmpty", "", "e", dtype=FLOAT), _with("SequenceInsert", "e a", "s"), _with("SequenceInsert", "s b p", "t"),
            _with("ConcatFromSequence", "t", axis=0, new_axis=1)], {"a": (2, 3), "b": (2, 3)}, {"p": np.int64(0)}),
    Example("SequenceErase", [_with("SequenceConstruct", "a b a", "s"), _with("SequenceErase", "s p", "t"), _with("SequenceAt", "t q")],
            {"a": (2, 3), "b": (2, 3)}, {"p": np.int64(0), "q": np.int64(-1)}),
    Example("SequenceLength", [_with("SplitToSequence", "x", "s", axis=1), _with("SequenceLength", "s", "n"), _with("Cast", "n", "f", to=FLOAT),
            _with("SequenceAt", "s p", "a"), _with("Mul", "a f")], {"x": (2, 3)}, {"p": np.int64(1)}),
    Example("SplitToSequence(sizes)", [_with("SplitToSequence", "x z", "s", axis=1), _with("SequenceAt", "s p")], {"x": (2, 5)}, {"z": ints(2, 3), "p": np.int64(1)}),
    Example("SplitToSequence(size)", [_with("SplitToSequence", "x z", "s", axis=1), _with("SequenceAt", "s p")], {"x": (2, 5)}, {"z": np.int64(2), "p": np.int64(2)}),
    Example("SequenceMap", [_with("SplitToSequence", "x", "s", axis=0), _with("SequenceMap", "s w", "t", body=_body([node("MatMul", "e f", "g")], {"e": FLOAT, "f": FLOAT}, "g")),
            _with("ConcatFromSequence", "t", axis=0)], {"x": (2, 3)}, _SQUARE),
    Example("Optional", [_with("Optional", "x", "o"), _with("OptionalHasElement", "o", "h"), _with("OptionalGetElement", "o", "g"),
            _with("Cast", "h", "f", to=FLOAT), _with("Mul", "g f")], {"x": (2, 3)}),
]  # fmt: skip


EXAMPLES.append(
    Example(
        "Gradient",
        [
            node("Mul", "x x", "p"),
            helper.make_node("Gradient", ["x"], ["y"], domain="ai.onnx.preview.training", xs=["x"], y="p"),
        ],
        {"x": (2, 3)},
        compute=lambda x: [2 * x],
    )
)


def _eight(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).integers(-100, 100, shape).astype(np.int8)


def _microsoft(op: str, inputs: str, outputs: str = "y") -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), outputs.split(), domain="com.microsoft")


_X = [node("QuantizeLinear", "x xs xz", "q")]
_XS = {"xs": single(0.02), "xz": np.int8(3)}
_YS = {"ys": single(0.5), "yz": np.int8(-4)}
EXAMPLES += [
    Example("QuantizeLinear", [*_X, node("DequantizeLinear", "q xs xz")], {"x": (2, 3, 5)}, _XS),
    Example("QuantizeLinear(axis)", [node("QuantizeLinear", "x s z", "q", axis=1), node("DequantizeLinear", "q s z", axis=1)], {"x": (2, 3, 5)},
            {"s": weights(3).astype(np.float32), "z": np.array([1, 0, 5], dtype=np.uint8)}),
    Example("QuantizeLinear(blocks)", [node("QuantizeLinear", "x s", "q", axis=1, block_size=2, output_dtype=TensorProto.INT8),
            node("DequantizeLinear", "q s", axis=1, block_size=2)], {"x": (2, 4)}, {"s": weights(2, 2).astype(np.float32)}),
    Example("QuantizeLinear(Microsoft)", [_microsoft("QuantizeLinear", "x xs xz", "q"), _microsoft("DequantizeLinear", "q xs xz")], {"x": (2, 3, 5)}, _XS),
    Example("DynamicQuantizeLinear", [node("DynamicQuantizeLinear", "x", "q s z"), node("DequantizeLinear", "q s z")], {"x": (2, 3)}),
    Example("MatMulInteger", [*_X, node("MatMulInteger", "q w xz wz", "i"), node("Cast", "i", to=FLOAT)], {"x": (2, 3)}, {**_XS, "w": _eight(3, 4), "wz": np.int8(2)}),
    Example("ConvInteger", [node("QuantizeLinear", "x xs uz", "q"), node("ConvInteger", "q w uz", "i", pads=[1, 0, 1, 0]), node("Cast", "i", to=FLOAT)],
            {"x": (1, 2, 5, 4)}, {**_XS, "uz": np.uint8(3), "w": _eight(3, 2, 3, 2)}),
    Example("QLinearMatMul", [*_X, node("QLinearMatMul", "q xs xz w ws wz ys yz", "r"), node("DequantizeLinear", "r ys yz")], {"x": (2, 3)},
            {**_XS, **_YS, "w": _eight(3, 4), "ws": single(0.01), "wz": np.int8(0)}),
    Example("QLinearConv", [*_X, node("QLinearConv", "q xs xz w ws wz ys yz b", "r", strides=[2, 1]), node("DequantizeLinear", "r ys yz")], {"x": (1, 2, 5, 4)},
            {**_XS, **_YS, "w": _eight(3, 2, 3, 2), "ws": np.array([0.01, 0.02, 0.03], dtype=np.float32), "wz": np.zeros(3, dtype=np.int8), "b": np.array([4, 5, 6], dtype=np.int32)}),
]  # fmt: skip
EXAMPLES += [
    Example("Mod(floats)", [node("Mod", "a b", fmod=1)], {"a": (2, 3), "b": (3,)}),
    Example("Mod(ints)", [node("Add", "i0 five", "m"), node("Mod", "i0 m")], {"i0": (2, 3)}, {"five": np.int64(-5)}),
    Example("Div(ints)", [node("Sub", "i0 five", "m"), node("Div", "m two")], {"i0": (2, 3)}, {"five": np.int64(5), "two": np.int64(2)}),
    Example("IsNaN", [node("IsNaN", "x", "c"), node("Where", "c zero x")], {"x": (2, 3)}, {"zero": single(0)}),
    *(Example(f"IsInf({kind})", [node("IsInf", "x", "c", **{f"detect_{kind}": 0} if kind else {}), node("Where", "c zero x")], {"x": (2, 3)}, {"zero": single(0)})
      for kind in ("", "positive", "negative")),
    Example("CastLike", [node("CastLike", "x like")], {"x": (2, 3)}, {"like": np.float64(1)}),
    Example("BitShift", [node("Cast", "i0", "u", to=TensorProto.UINT8), node("BitShift", "u one", "s", direction="LEFT"), node("BitShift", "s one", direction="RIGHT")],
            {"i0": (2, 3)}, {"one": np.uint8(1)}),
    Example("BitCast", [node("BitCast", "x", "i", to=TensorProto.INT32), node("BitCast", "i", to=FLOAT)], {"x": (2, 3)}, opset=26),
    Example("EyeLike", [node("EyeLike", "x", "e", k=1), node("MatMul", "x e")], {"x": (3, 3)}),
    Example("Clip(computed)", [node("ReduceMax", "x", "m", keepdims=0), node("Neg", "m", "l"), node("Clip", "x l m")], {"x": (2, 3)}),
    Example("Pow(types)", [node("Pow", "x e")], {"x": (2, 3)}, {"e": np.array([[2, 3, 1]], dtype=np.int64)}),
    Example("Constant(sparse)", [node("Constant", "", "c", sparse_value=helper.make_sparse_tensor(
        numpy_helper.from_array(np.array([1.5, 2], dtype=np.float32), "v"), numpy_helper.from_array(ints(0, 4), "w"), [2, 3])), node("Add", "x c")], {"x": (2, 3)}),
]  # fmt: skip
