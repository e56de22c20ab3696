"""fvcore's ``FlopCountAnalysis``: one for each product, by a table of operators in the graph of ``torch.jit``.

That graph holds operators before they are taken apart. Matrix products, convolutions, norms,
adaptive averages and two interpolations are in the table; attention, recurrent layers and
``baddbmm`` are not and count nothing, with a warning in a log.
"""

from __future__ import annotations

from math import floor, prod

from nncost.counting.conventions.convention import CannotCount, Convention, FunctionRule, Rules, Tool, by_operator
from nncost.counting.conventions.einsum import printed_flops, renamed
from nncost.ir.call_log import FunctionCall, Instrumentation, TensorMeta, sizes

AFFINE, PLAIN = 5, 4
"""fvcore's rough numbers for each element of a norm, with and without a learned scale."""
BATCH_NORM_AFFINE = 2
INTERPOLATED = 4
MATRIX = 2
"""Axes of a matrix."""


def _need(*, true: bool) -> None:
    if not true:
        raise CannotCount("fvcore raises an AssertionError here")


def _addmm(call: FunctionCall) -> int:
    return call.elements(1) * call.shape(2)[1]


def _bmm(call: FunctionCall) -> int:
    return call.elements(0) * call.shape(1)[-1]


def _matmul(call: FunctionCall) -> int:
    left, right = call.shape(0), call.shape(1)
    if len(right) < MATRIX:
        raise CannotCount("fvcore raises an IndexError for a product with a vector")
    _need(true=left[-1] == right[-2])
    return prod(left) * right[-1]


def _linear(call: FunctionCall) -> int:
    return call.elements(0) * call.shape(1)[0]


def _convolution(call: FunctionCall) -> int:
    if any(isinstance(value, str) for value in call.inputs):
        return 0  # aten::_convolution_mode is not in the table.
    x, weight = call.shape(0), call.shape(1)
    transposed = "transpose" in call.name or (call.name.endswith("convolution") and call.inputs[6])
    places = x if transposed else sizes(call.output)
    if len(x) < len(weight):  # One example without a batch axis gets one.
        return prod(weight) * prod(places[1:])
    return x[0] * prod(weight) * prod(places[2:])


def _cell(call: FunctionCall) -> int:
    """Cells are taken apart into their two linear layers."""
    state = call.inputs[1][0] if isinstance(call.inputs[1], tuple) else call.inputs[1]
    return call.elements(0) * call.shape(2)[0] + prod(sizes(state)) * call.shape(3)[0]


def _einsum(call: FunctionCall) -> int:
    equation, operands = renamed(call.inputs[0]), call.inputs[1]
    shapes = tuple(sizes(operand) for operand in operands)
    if equation in ("abc,abd->acd", "abc,adc->adb"):
        return prod(shapes[0]) * shapes[-1][2 if equation == "abc,abd->acd" else 1]
    return floor(printed_flops(equation, shapes) / 2)


def _norm(scale: int) -> FunctionRule:
    def count(call: FunctionCall) -> int:
        _need(true=2 <= len(call.shape(0)) <= 5)
        return call.elements(0) * (AFFINE if _is_given(call, scale) else PLAIN)

    return count


def _is_given(call: FunctionCall, position: int) -> bool:
    return len(call.inputs) > position and isinstance(call.inputs[position], TensorMeta)


def _batch_norm(call: FunctionCall) -> int:
    if call.inputs[5]:
        return _norm(1)(call)
    return call.elements(0) * (BATCH_NORM_AFFINE if _is_given(call, 1) else 1)


def _outputs(each: int) -> FunctionRule:
    return lambda call: each * prod(sizes(call.output))


CONVOLUTIONS = (
    "_convolution", "convolution", "conv1d", "conv2d", "conv3d",
    "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
)  # fmt: skip
CELLS = ("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")
RULES: Rules = {
    **{f"aten::{name}": (_convolution, "the products; biases left out") for name in CONVOLUTIONS},
    "aten::addmm": (_addmm, "the products; the added matrix left out"),
    "aten::bmm": (_bmm, "the products"),
    "aten::matmul": (_matmul, "the products"),
    "aten::mm": (_matmul, "the products"),
    "aten::linear": (_linear, "the products; biases left out"),
    **{f"aten::{name}": (_cell, "the products; biases and gates left out") for name in CELLS},
    "aten::einsum": (_einsum, "half of what NumPy prints with four digits"),
    "aten::batch_norm": (_batch_norm, "a norm counted: 2 for each element, 5 in training"),
    "aten::group_norm": (_norm(2), "a norm counted: 5 for each element"),
    "aten::layer_norm": (_norm(2), "a norm counted: 5 for each element"),
    "aten::instance_norm": (_norm(1), "a norm counted: 5 for each element"),
    "aten::upsample_nearest2d": (_outputs(1), "an interpolation counted: 1 for each output"),
    "aten::upsample_bilinear2d": (_outputs(INTERPOLATED), "an interpolation counted: 4 for each output"),
    "aten::adaptive_avg_pool2d": (lambda call: call.elements(0), "pooling counted: 1 for each input"),
    "aten::grid_sampler": (_outputs(INTERPOLATED), "sampling counted: 4 for each output"),
}


FVCORE = Convention(
    "fvcore",
    "what FlopCountAnalysis(module, inputs).total() of fvcore 0.1.5 says: products, with norms and some pooling on top",
    tool=Tool("fvcore 0.1.5.post20221221", "macs", Instrumentation(composed=True), by_operator(RULES)),
)
