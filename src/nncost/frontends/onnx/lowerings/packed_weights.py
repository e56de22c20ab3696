"""Products and look-ups with weights of a few bits each, packed into bytes in blocks that share a step."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import cast

import numpy as np

from nncost.errors import ShapeError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.lowerings.quantized_operators import check_bits
from nncost.frontends.onnx.roles import product_of
from nncost.frontends.onnx.values import Array, FileConstant, Known, Stored, Unlowered
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.library import dense
from nncost.ir.library.linear_quantization import in_type

NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip
"""The sixteen numbers of NF4 (Dettmers et al. 2023, QLoRA, appendix E)."""
FP4 = (0.0, 5.208333333e-03, 0.66666667, 1.0, 0.33333333, 0.5, 0.16666667, 0.25)
"""The eight numbers of bitsandbytes' FP4; the negative ones follow."""


def _file_constant(call: Call, position: int) -> FileConstant:
    value = call.value(position)
    if isinstance(value, Stored) and not value.moves:
        return value.constant
    if isinstance(value, Known) and value.constant is not None:
        return value.constant
    raise Unlowered(f"its operand {position + 1}, packed weights, is computed")


def _unpacked(read: Callable[[], Array], bits: int, shape: tuple[int, int]) -> Array:
    """Numbers of a few bits, the first one in the lowest bits of a byte, cut to the columns that there are."""
    rows, columns = shape
    packed = np.asarray(read()).view(np.uint8).reshape(rows, -1)
    each = 8 // bits
    shifts = np.arange(each, dtype=np.uint8) * np.uint8(bits)
    numbers = (packed[:, :, None] >> shifts) & np.uint8((1 << bits) - 1)
    return numbers.reshape(rows, -1)[:, :columns]


def _some(constant: FileConstant, bits: int, shape: tuple[int, int], places: Array) -> Array:
    """Some of the numbers, by their places."""
    assert constant.some is not None
    (rows, columns), each = shape, 8 // bits
    width = math.prod(int(dim) for dim in constant.shape) // rows
    row, column = places // columns, places % columns
    packed = np.asarray(constant.some(row * width + column // each)).view(np.uint8)
    return (packed >> (column % each * bits).astype(np.uint8)) & np.uint8((1 << bits) - 1)


def _weights(call: Call, constant: FileConstant, bits: int, shape: tuple[int, int]) -> Tensor:
    """Packed weights as the numbers they are: one parameter each, of so many bits."""
    logical = FileConstant(
        constant.name,
        shape,
        f"uint{bits}",
        partial(_unpacked, constant.read, bits, shape),
        constant.elsewhere,
        None if constant.some is None else partial(_some, constant, bits, shape),
    )
    return call.walk.tensors.of(call.walk.once(constant, lambda: Stored(logical, shape), bits, shape), "weight")


@lowers("com.microsoft.MatMulNBits")
def _matmul_bits(call: Call) -> Lowered:
    """``x`` (…, K) by N·K weights of a few bits: each is taken out of its block's zero point (1 add) and times its step (1 mul)."""
    a, b = call.attributes, call.builder
    columns, rows, bits, block = (a.integer(name, 0) for name in ("K", "N", "bits", "block_size"))
    a.integer("accuracy_level", 0)
    if a.integer("weight_prepacked", 0):
        raise Unlowered("its weights lie in the order of one kernel, which the standard does not say")
    bits = bits or 4
    check_bits(bits)
    if columns < 1 or rows < 1 or block < 1:
        raise ShapeError(f"a product with {rows}x{columns} weights in blocks of {block}.")
    blocks = -(-columns // block)
    order = call.array(4) if call.has(4) else np.arange(columns) // block
    weights = in_type(b, _weights(call, _file_constant(call, 1), bits, (rows, columns)), call.value(2).dtype)
    scale = _of_blocks(call, b.reshape(call.constant(2), (rows, blocks)), order)
    shifted = b.map("sub", weights, _zeros(call, bits, rows, blocks, order))
    bias = call.tensor(5, "bias") if call.has(5) else None
    x = call.tensor(0)
    plain = in_type(b, b.map("mul", shifted, scale), x.dtype)
    return product_of(call, dense.dense(b, x, plain, bias), learned=True)


def _of_blocks(call: Call, values: Tensor, order: Array) -> Tensor:
    """What each column's block has, for every row."""
    index = ops.Constant("array", (len(order),), "int64", order.astype(np.int64))
    return call.builder.emit(ops.Gather(1), values, call.builder.emit(index))


def _zeros(call: Call, bits: int, rows: int, blocks: int, order: Array) -> Tensor:
    """The zero point of each weight: the middle of the range where none are given."""
    b, dtype = call.builder, call.value(2).dtype
    if not call.has(3):
        return b.full((), float(2 ** (bits - 1)), dtype)
    if call.value(3).dtype == dtype:
        return _of_blocks(call, b.reshape(call.constant(3), (rows, blocks)), order)
    constant = _file_constant(call, 3)
    read = partial(_unpacked, constant.read, bits, (rows, blocks))
    made = ops.Constant("array", (rows, blocks), dtype, lambda: read().astype(np.float32))
    return _of_blocks(call, b.emit(made), order)


@lowers("com.microsoft.MatMulBnb4")
def _matmul_bnb4(call: Call) -> Lowered:
    """``x`` (…, K) by N·K weights that are one of sixteen numbers each, times the largest of their block (1 mul)."""
    a, b = call.attributes, call.builder
    columns, rows, block, kind = (a.integer(name, 0) for name in ("K", "N", "block_size", "quant_type"))
    transposed = a.flag("transB", True)
    if columns < 1 or rows < 1 or block < 1 or kind not in (0, 1) or not transposed:
        raise Unlowered("blocks, sizes or a layout that the operator does not have")
    constant, dtype = _file_constant(call, 1), call.value(2).dtype
    logical = FileConstant(constant.name, (rows, columns), "uint4", partial(_nibbles, constant.read, (rows, columns)))
    stored = call.walk.once(constant, lambda: Stored(logical, logical.shape), logical.shape)
    codes = call.walk.tensors.of(stored, "weight")
    numbers = NF4 if kind else (*FP4, *(-number for number in FP4))
    table = b.emit(ops.Constant("array", (16,), dtype, np.asarray(numbers)))
    plain = b.emit(ops.Gather(0), table, in_type(b, codes, "int64"))
    places = np.arange(rows * columns) // block
    index = b.emit(ops.Constant("array", (rows * columns,), "int64", places))
    largest = b.reshape(b.emit(ops.Gather(0), call.constant(2), index), (rows, columns))
    x = call.tensor(0)
    return product_of(call, dense.dense(b, x, in_type(b, b.map("mul", plain, largest), x.dtype)), learned=True)


def _nibbles(read: Callable[[], Array], shape: tuple[int, int]) -> Array:
    """Four-bit numbers, the first one in the higher half of a byte."""
    packed = np.asarray(read()).view(np.uint8).reshape(-1)
    return np.stack([packed >> 4, packed & 15], axis=1).reshape(-1)[: shape[0] * shape[1]].reshape(shape)


@lowers("com.microsoft.GatherBlockQuantized")
def _gather_quantized(call: Call) -> Tensor:
    """Rows of a packed table: the numbers that are taken are brought to floats (1 add, 1 mul each)."""
    a, b = call.attributes, call.builder
    constant = _file_constant(call, 0)
    bits, block = a.integer("bits", 4), a.integer("block_size", 128)
    check_bits(bits)
    axis = call.axis(a.integer("gather_axis", 0), len(constant.shape))
    quantized_axis = call.axis(a.integer("quantize_axis", 1), len(constant.shape))
    if len(constant.shape) != 2 or axis != 0 or quantized_axis != 1:
        raise Unlowered("a packed table of other than two axes")
    rows, stored = (cast("int", dim) for dim in constant.shape)
    packed = constant.dtype == "uint8" and bits < 8
    columns = stored * 8 // bits if packed else stored
    table = _weights(call, constant, bits, (rows, columns)) if packed else call.tensor(0, "weight")
    index, order = call.constant(1), np.arange(columns) // block
    scale = call.constant(2)
    taken = in_type(b, b.emit(ops.Gather(0), table, index), scale.dtype)
    steps = b.emit(ops.Gather(0), _of_blocks(call, scale, order), index)
    middle = float(2 ** (bits - 1)) if table.dtype.startswith("u") else 0.0
    zeros = _zeros(call, bits, rows, -(-columns // block), order) if call.has(3) else None
    zero = b.full((), middle, scale.dtype) if zeros is None else b.emit(ops.Gather(0), zeros, index)
    return b.map("mul", b.map("sub", taken, zero), steps)
