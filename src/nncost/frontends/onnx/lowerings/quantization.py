"""Quantization and what computes on quantized numbers, as the standard defines it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nncost.dims import Dim, is_symbolic, shape_text
from nncost.errors import ShapeError
from nncost.frontends.onnx.broadcasting import common_shape
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.lowerings.convolution import groups_of
from nncost.frontends.onnx.roles import product_of
from nncost.frontends.onnx.values import Unlowered
from nncost.frontends.onnx.windows import window_sizes
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library import conv, products
from nncost.ir.library import linear_quantization as quantized


# ------------------------------------------------------------------- steps and zero points along an axis
def along(call: Call, position: int, shape: Sequence[Dim]) -> Tensor | None:
    """A step or a zero point that broadcasts to a shape: one number, one per slice of ``axis``, or one per block of it."""
    if not call.has(position):
        return None
    b, given = call.builder, call.constant(position)
    if given.rank == 0 or given.elements == 1:
        return b.reshape(given, ())
    axis = call.axis(call.attributes.integer("axis", 1), len(shape))
    if given.rank == 1:
        _check_length(given, shape[axis])
        return b.reshape(given, (*(1,) * axis, given.shape[0], *(1,) * (len(shape) - axis - 1)))
    return _by_block(call, given, shape, axis)


def _check_length(given: Tensor, length: Dim) -> None:
    if not is_symbolic(length) and given.shape[0] not in (1, length):
        raise ShapeError(f"{shape_text(given.shape)} steps or zero points for an axis of {length}.")


def _by_block(call: Call, given: Tensor, shape: Sequence[Dim], axis: int) -> Tensor:
    """The number of each element's block: every block of ``block_size`` elements of the axis shares one."""
    length, blocks = shape[axis], given.shape[axis]
    if is_symbolic(length) or is_symbolic(blocks) or given.rank != len(shape):
        raise Unlowered("blocks along an axis whose size is a symbol")
    size = call.attributes.integer("block_size", 0) or -(-int(length) // int(blocks))
    index = ops.Constant("array", (length,), "int64", lambda: np.arange(length) // size)
    return call.builder.emit(ops.Gather(axis), given, call.builder.emit(index))


# ------------------------------------------------------------------- into a small type and out of it
@lowers("QuantizeLinear", "com.microsoft.QuantizeLinear")
def _quantize(call: Call) -> Lowered:
    """round(x/s) + z, in the type of the zero point or the one that is named."""
    x = call.tensor(0)
    named = call.attributes.integer("output_dtype", 0)
    dtype = call.value(2).dtype if call.has(2) else (call.walk.types.coded(named) if named else "uint8")
    scale, zero = along(call, 1, x.shape), along(call, 2, x.shape)
    precision = call.attributes.integer("precision", 0)
    call.attributes.flag("saturate", True)
    if dtype is None or scale is None:
        raise Unlowered("it quantizes to text, or without a step")
    if precision:
        scale = quantized.in_type(call.builder, scale, call.walk.types.coded(precision) or scale.dtype)
    return call.like(call.value(0), quantized.quantize_linear(call.builder, x, scale, zero, dtype))


@lowers("DequantizeLinear", "com.microsoft.DequantizeLinear")
def _dequantize(call: Call) -> Lowered:
    """(x − z)·s: weights that are needed as such are parameters in their small type."""
    x = call.tensor(0, call.walk.tensors.inherited)
    scale, zero = along(call, 1, x.shape), along(call, 2, x.shape)
    if scale is None:
        raise ShapeError("its steps are missing.")
    named = call.attributes.integer("output_dtype", 0)
    dtype = (call.walk.types.coded(named) if named else None) or scale.dtype
    return call.like(call.value(0), quantized.dequantize_linear(call.builder, x, scale, zero, dtype))


# ------------------------------------------------------------------- products
def centred(call: Call, position: int, zero_position: int, *, learned: bool = False) -> Tensor:
    """Small whole numbers less their zero point, which is one number, or one per row or channel."""
    x = call.tensor(position, "weight" if learned and call.is_constant(position) else None)
    if not call.has(zero_position):
        return quantized.without_zero(call.builder, x, None)
    zero = call.constant(zero_position)
    return quantized.without_zero(call.builder, x, zero if zero.rank != 1 else placed(call.builder, zero, x))


def placed(b: Builder, vector: Tensor, x: Tensor) -> Tensor:
    """A vector along the axis of a matrix that has its length: the columns of a right operand, the rows of a left one."""
    if vector.elements == 1:
        return b.reshape(vector, ())
    return vector if x.shape[-1] == vector.shape[0] else b.reshape(vector, (*vector.shape, 1))


@lowers("MatMulInteger")
def _matmul_integer(call: Call) -> Lowered:
    """A product of whole numbers, in 32 bits."""
    product = _product(call, centred(call, 0, 2), centred(call, 1, 3, learned=True))
    return product_of(call, product, learned=call.is_constant(1))


def _product(call: Call, left: Tensor, right: Tensor) -> Tensor:
    learned = call.is_constant(1) or call.is_constant(3)
    batch = common_shape([left.shape[:-2], right.shape[:-2]])
    return products.stacked_matmul(call.builder, left, right, batch, learned=learned)


@lowers("QLinearMatMul")
def _quantized_matmul(call: Call) -> Lowered:
    """A product of quantized matrices in the steps of its result: a, its step and zero, b, its step and zero, y's."""
    b = call.builder
    left, right = centred(call, 0, 2), centred(call, 3, 5, learned=True)
    with b.region(Operation("qlinearmatmul"), left, right) as region:
        sums = _product(call, left, right)
        left_step, right_step, step = (call.constant(n) for n in (1, 4, 6))
        steps = [placed(b, each, sums) if each.rank == 1 else each for each in (left_step, right_step, step)]
        factor = b.map("div", b.map("mul", steps[0], steps[1]), steps[2])
        region.returns(quantized.requantize(b, sums, factor, call.constant(7), call.value(7).dtype))
    return product_of(call, region.outputs[0], learned=call.is_constant(3))


@lowers("ConvInteger")
def _conv_integer(call: Call) -> Tensor:
    """A convolution of whole numbers, in 32 bits."""
    return _convolved(call, centred(call, 0, 2), _kernels(call, 1, 3), None)


def _kernels(call: Call, position: int, zero_position: int) -> Tensor:
    w = call.tensor(position, "weight" if call.is_constant(position) else None)
    zero = call.constant(zero_position) if call.has(zero_position) else None
    if zero is not None and zero.rank == 1:
        zero = call.builder.reshape(zero, (zero.shape[0], *(1,) * (w.rank - 1)))
    return quantized.without_zero(call.builder, w, zero)


def _convolved(call: Call, x: Tensor, w: Tensor, bias: Tensor | None) -> Tensor:
    if x.rank < 3 or w.rank != x.rank:
        raise ShapeError(f"a convolution of {shape_text(x.shape)} by {shape_text(w.shape)}.")
    window = window_sizes(call, x.shape[2:], w.shape[2:])
    return conv.conv(
        call.builder, x, w, bias, stride=window.strides, padding=window.padding, dilation=window.dilations,
        groups=groups_of(call, w.shape[0]),
    )  # fmt: skip


@lowers("QLinearConv")
def _quantized_conv(call: Call) -> Tensor:
    """A convolution of quantized numbers in the steps of its result: x, its step and zero, w, its, y's, the bias."""
    b = call.builder
    x, w = centred(call, 0, 2), _kernels(call, 3, 5)
    bias = call.tensor(8, "bias") if call.has(8) else None
    with b.region(Operation("qlinearconv"), *(t for t in (x, w, bias) if t is not None)) as region:
        sums = _convolved(call, x, w, bias)
        steps = call.constant(4)
        if steps.rank == 1:
            steps = b.reshape(steps, (steps.shape[0], *(1,) * (x.rank - 2)) if steps.shape[0] != 1 else ())
        factor = b.map("div", b.map("mul", single(b, call.constant(1)), steps), single(b, call.constant(6)))
        region.returns(quantized.requantize(b, sums, factor, single(b, call.constant(7)), call.value(7).dtype))
    return region.outputs[0]


def single(b: Builder, x: Tensor) -> Tensor:
    """A tensor of one number as that number."""
    return b.reshape(x, ()) if x.rank else x
