"""Examples of Microsoft's quantized operators and packed weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.onnx.examples.example import Example, single, weights
from tests.onnx.models import node

FLOAT = TensorProto.FLOAT
_RNG = np.random.default_rng(11)
_A = {
    "xs": single(0.02),
    "xz": np.uint8(120),
    "ys": single(0.03),
    "yz": np.uint8(100),
    "os": single(0.05),
    "oz": np.uint8(90),
}
_Q = [node("QuantizeLinear", "x xs xz", "q")]
_BACK = node("DequantizeLinear", "r os oz")


def _microsoft(op: str, inputs: str, outputs: str = "r", **attributes: Any) -> onnx.NodeProto:
    given = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(op, given, outputs.split(), domain="com.microsoft", **attributes)


def _eight(*shape: int) -> np.ndarray:
    return _RNG.integers(-100, 100, shape).astype(np.int8)


def _packed(*shape: int) -> np.ndarray:
    return _RNG.integers(0, 256, shape).astype(np.uint8)


def _of_one(op: str, shape: tuple[int, ...] = (2, 3), **attributes: Any) -> Example:
    return Example(op, [*_Q, _microsoft(op, "q xs xz os oz", **attributes), _BACK], {"x": shape}, _A)


def _of_two(op: str) -> Example:
    second = node("QuantizeLinear", "v ys yz", "p")
    return Example(op, [*_Q, second, _microsoft(op, "q xs xz p ys yz os oz"), _BACK], {"x": (2, 3), "v": (3,)}, _A)


_W = {"w": _eight(3, 4), "ws": single(0.01), "wz": np.int8(0)}
EXAMPLES = [
    _of_two("QLinearAdd"), _of_two("QLinearMul"), _of_one("QLinearSigmoid"), _of_one("QLinearLeakyRelu", alpha=0.2),
    _of_one("QLinearSoftmax", axis=1, opset=13), _of_one("QLinearGlobalAveragePool", (1, 2, 3, 4)),
    _of_one("QLinearAveragePool", (1, 2, 5, 4), kernel_shape=[1, 3], strides=[1, 2]),
    _of_one("QLinearAveragePool", (1, 5, 4, 2), kernel_shape=[1, 3], strides=[1, 2], channels_last=1),
    _of_one("QLinearGlobalAveragePool", (1, 3, 4, 2), channels_last=1),
    Example("QLinearConcat", [*_Q, node("QuantizeLinear", "v ys yz", "p"), _microsoft("QLinearConcat", "os oz q xs xz p ys yz", axis=1), _BACK],
            {"x": (2, 3), "v": (2, 1)}, _A),
    Example("QLinearWhere", [*_Q, node("QuantizeLinear", "v ys yz", "p"), node("Greater", "x v", "c"), _microsoft("QLinearWhere", "c q xs xz p ys yz os oz"), _BACK],
            {"x": (2, 3), "v": (2, 3)}, _A),
    Example("QGemm", [*_Q, _microsoft("QGemm", "q xs xz w ws wz b os oz", transB=0), _BACK], {"x": (2, 3)}, {**_A, **_W, "b": np.array([4, 5, 6, 7], dtype=np.int32)}),
    Example("QGemm(floats)", [*_Q, _microsoft("QGemm", "q xs xz w ws wz", "y", alpha=0.5)], {"x": (2, 3)}, {**_A, **_W}),
    Example("MatMulIntegerToFloat", [*_Q, _microsoft("MatMulIntegerToFloat", "q w xs ws xz wz b", "y")], {"x": (2, 3)}, {**_A, **_W, "b": weights(4)}),
    Example("DynamicQuantizeMatMul", [_microsoft("DynamicQuantizeMatMul", "x w ws wz b", "y")], {"x": (2, 3)}, {**_W, "b": weights(4)}),
    Example("DynamicQuantizeLSTM", [_microsoft("DynamicQuantizeLSTM", "x w r b - - - - ws wz rs rz", "y", hidden_size=2)], {"x": (3, 2, 4)},
            {"w": _eight(1, 4, 8), "r": _eight(1, 2, 8), "b": weights(1, 16), "ws": weights(1) / 100, "wz": np.zeros(1, dtype=np.int8),
             "rs": weights(1) / 100, "rz": np.zeros(1, dtype=np.int8)}, reference="shape"),
    Example("MatMulNBits(4)", [_microsoft("MatMulNBits", "x w s", "y", K=40, N=3, bits=4, block_size=16)], {"x": (2, 40)}, {"w": _packed(3, 3, 8), "s": weights(9)}),
    Example("MatMulNBits(zeros)", [_microsoft("MatMulNBits", "x w s z", "y", K=32, N=3, bits=4, block_size=16)], {"x": (2, 32)},
            {"w": _packed(3, 2, 8), "s": weights(6), "z": _packed(3, 1)}),
    Example("MatMulNBits(8)", [_microsoft("MatMulNBits", "x w s", "y", K=32, N=3, bits=8, block_size=16)], {"x": (2, 32)}, {"w": _packed(3, 2, 16), "s": weights(6)}),
    Example("MatMulBnb4(nf4)", [_microsoft("MatMulBnb4", "x w s", "y", K=32, N=3, block_size=16, quant_type=1)], {"x": (2, 32)}, {"w": _packed(48), "s": weights(6)}),
    Example("MatMulBnb4(fp4)", [_microsoft("MatMulBnb4", "x w s", "y", K=32, N=3, block_size=16, quant_type=0)], {"x": (2, 32)}, {"w": _packed(48), "s": weights(6)}),
    Example("GatherBlockQuantized", [_microsoft("GatherBlockQuantized", "w i0 s", "y", bits=4, block_size=16, quantize_axis=1, gather_axis=0)], {"i0": (2, 3)},
            {"w": _packed(5, 16), "s": weights(5, 2).astype(np.float32)}),
]  # fmt: skip
