"""Microsoft's operators on quantized numbers: those that go through floats, and products with quantized weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nncost.dims import product
from nncost.errors import ShapeError
from nncost.frontends.onnx.broadcasting import common_shape
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.lowerings.elementwise import from_source, source_of
from nncost.frontends.onnx.lowerings.quantization import centred, placed, single
from nncost.frontends.onnx.roles import addend_role, factor_role, product_of
from nncost.frontends.onnx.windows import window_sizes
from nncost.ir.builder import Builder
from nncost.ir.graph import Role, Tensor
from nncost.ir.layers import Operation
from nncost.ir.library import linear_quantization as quantized
from nncost.ir.library import pool, products
from nncost.ir.library.activations import LEAKY_SLOPE, activation, softmax


# ------------------------------------------------------------------- through floats
def _out(call: Call, position: int, role: Role | None = None) -> Tensor:
    """An operand with its step and zero point behind it, as floats."""
    b, x = call.builder, call.tensor(position, role)
    scale = single(b, call.constant(position + 1))
    zero = single(b, call.constant(position + 2)) if call.has(position + 2) else None
    return quantized.dequantize_linear(b, x, scale, zero, scale.dtype)


def _into(call: Call, y: Tensor, position: int, dtype: str) -> Tensor:
    """Floats with the step and the zero point that stand at a position."""
    b = call.builder
    zero = single(b, call.constant(position + 1)) if call.has(position + 1) else None
    return quantized.quantize_linear(b, y, single(b, call.constant(position)), zero, dtype)


def _both(function: str, role_of: Callable[[Call, int, int], Role | None]) -> Callable[[Call], Lowered]:
    def lower(call: Call) -> Lowered:
        left, right = _out(call, 0, role_of(call, 0, 3)), _out(call, 3, role_of(call, 3, 0))
        common_shape([left.shape, right.shape])
        source = source_of(call, function, [call.values[0], call.values[3]])
        return from_source(call, _into(call, call.builder.map(function, left, right), 6, call.value(0).dtype), source)

    return lower


lowers("com.microsoft.QLinearAdd")(_both("add", addend_role))
lowers("com.microsoft.QLinearMul")(_both("mul", factor_role))


def _softmax(call: Call, x: Tensor) -> Tensor:
    axis = call.axis(call.attributes.integer("axis", -1), x.rank)
    if call.attributes.integer("opset", 13) >= 13:
        return softmax(call.builder, x, axis, layer=True)
    flat = call.builder.reshape(x, (product(x.shape[:axis]), product(x.shape[axis:])))
    return call.builder.reshape(softmax(call.builder, flat, layer=True), x.shape)


def _either_layout(pooled: Callable[[Call, Tensor], Tensor]) -> Callable[[Call, Tensor], Tensor]:
    """A pooling whose channels may stand behind the image."""

    def lower(call: Call, x: Tensor) -> Tensor:
        if not call.attributes.flag("channels_last", False):
            return pooled(call, x)
        y = pooled(call, call.builder.transpose(x, (0, x.rank - 1, *range(1, x.rank - 1))))
        return call.builder.transpose(y, (0, *range(2, y.rank), 1))

    return lower


def _global_pool(call: Call, x: Tensor) -> Tensor:
    return pool.global_average_pool(call.builder, x, keep=True)


def _average_pool(call: Call, x: Tensor) -> Tensor:
    window = window_sizes(call, x.shape[2:])
    padded = any(width != 0 for pair in window.whole_padding for width in pair)
    return pool.average_pool(
        call.builder, x, kernel=window.kernel, stride=window.strides, padding=window.whole_padding,
        count_padding=call.attributes.flag("count_include_pad", False) or not padded, overhang=window.overhang,
    )  # fmt: skip


_ONE: Mapping[str, Callable[[Call, Tensor], Tensor]] = {
    "QLinearSigmoid": lambda call, x: activation(call.builder, "sigmoid", x),
    "QLinearLeakyRelu": lambda call, x: activation(
        call.builder, "leaky_relu", x, call.attributes.number("alpha", LEAKY_SLOPE)
    ),
    "QLinearSoftmax": _softmax,
    "QLinearAveragePool": _either_layout(_average_pool),
    "QLinearGlobalAveragePool": _either_layout(_global_pool),
}


def _one(function: Callable[[Call, Tensor], Tensor]) -> Callable[[Call], Tensor]:
    return lambda call: _into(call, function(call, _out(call, 0)), 3, call.value(0).dtype)


for _name, _function in _ONE.items():
    lowers(f"com.microsoft.{_name}")(_one(_function))


@lowers("com.microsoft.QLinearConcat")
def _concat(call: Call) -> Tensor:
    """Each operand in its own steps: all are brought to those of the result."""
    parts = [_out(call, position) for position in range(2, len(call.values), 3)]
    axis = call.axis(call.attributes.integer("axis", 0), parts[0].rank)
    return _into(call, call.builder.concat(parts, axis), 0, call.value(2).dtype)


@lowers("com.microsoft.QLinearWhere")
def _where(call: Call) -> Tensor:
    """The condition, then two operands with their steps, then the steps of the result."""
    chosen = call.builder.map("select", call.constant(0), _out(call, 1), _out(call, 4))
    return _into(call, chosen, 7, call.value(1).dtype)


# ------------------------------------------------------------------- products
@lowers("com.microsoft.QGemm")
def _gemm(call: Call) -> Lowered:
    """α·A·B + C of small whole numbers; as floats, or in the steps of the result where they are given."""
    b, a = call.builder, call.attributes
    left, right = centred(call, 0, 2), centred(call, 3, 5, learned=True)
    left = b.transpose(left, (1, 0)) if a.flag("transA", False) else left
    right = right if a.flag("transB", False) else b.transpose(right, (1, 0))
    bias = call.tensor(6, "bias") if call.has(6) else None
    inputs = [tensor for tensor in (left, right, bias) if tensor is not None]
    with b.region(Operation("qgemm"), *inputs) as region:
        sums = products.gemm(b, left, right, bias, learned=call.is_constant(3))
        factor = b.map("mul", single(b, call.constant(1)), _row(b, call.constant(4)))
        if a.number("alpha", 1.0) != 1:
            factor = b.map("mul", factor, a.number("alpha", 1.0))
        region.returns(_scaled(call, sums, factor, 7))
    return product_of(call, region.outputs[0], learned=call.is_constant(3))


def _row(b: Builder, steps: Tensor) -> Tensor:
    return single(b, steps) if steps.elements == 1 else steps


def _scaled(call: Call, sums: Tensor, factor: Tensor, position: int) -> Tensor:
    b = call.builder
    if not call.has(position):
        return b.map("mul", quantized.in_type(b, sums, factor.dtype), factor)
    factor = b.map("div", factor, single(b, call.constant(position)))
    zero = single(b, call.constant(position + 1)) if call.has(position + 1) else None
    return quantized.requantize(b, sums, factor, zero, call.value(0).dtype)


@lowers("com.microsoft.MatMulIntegerToFloat")
def _matmul_to_float(call: Call) -> Tensor:
    """A product of small whole numbers times both steps, and a bias: a, b, their steps, their zero points."""
    return _floats(call, centred(call, 0, 4), centred(call, 1, 5, learned=True), call.constant(2), 3, 6)


@lowers("com.microsoft.DynamicQuantizeMatMul")
def _dynamic_matmul(call: Call) -> Tensor:
    """The left operand is brought to eight bits in the range it has: b, its step and zero point, a bias."""
    whole, scale = quantized.dynamic(call.builder, call.tensor(0))
    return _floats(call, whole, centred(call, 1, 3, learned=True), scale, 2, 4)


def _floats(call: Call, left: Tensor, right: Tensor, scale: Tensor, steps: int, bias: int) -> Tensor:
    b = call.builder
    batch = common_shape([left.shape[:-2], right.shape[:-2]])
    sums = products.stacked_matmul(b, left, right, batch, learned=call.is_constant(1))
    factor = b.map("mul", single(b, scale), placed(b, call.constant(steps), sums))
    y = b.map("mul", quantized.in_type(b, sums, factor.dtype), factor)
    return b.map("add", y, call.tensor(bias, "bias")) if call.has(bias) else y


def check_bits(bits: int) -> None:
    """Raise ShapeError for a number of bits that no type has."""
    if bits not in (2, 4, 8):
        raise ShapeError(f"weights of 2, 4 or 8 bits are known, received {bits}.")
