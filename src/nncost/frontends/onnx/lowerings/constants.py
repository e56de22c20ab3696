"""Nodes that make constants, tell sizes or change types: their values stay in the file or are known from the start."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np

from nncost.dims import Dim, is_symbolic, product
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.constants import known_array, tensor_value
from nncost.frontends.onnx.folding import is_small
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.sparse import sparse_value
from nncost.frontends.onnx.values import (
    MAX_KNOWN,
    Absent,
    Constant,
    FileConstant,
    Known,
    Stored,
    Unlowered,
    Value,
    known_integers,
)
from nncost.ir import ops
from nncost.ir.dtypes import DTYPE_BITS, INTEGER_DTYPES
from nncost.ir.graph import Tensor
from nncost.ir.library import conversions

_EIGHT_BIT_FLOATS = ("float8_", "float4_")


@lowers("Constant")
def _constant(call: Call) -> Value:
    name, given, types = call.node.output[0], call.attributes, call.walk.types
    floats = types.named("FLOAT") or "float32"
    if "value" in given:
        return call.walk.once(call.node, partial(tensor_value, given.tensor("value"), name, types, call.walk.file))
    if "sparse_value" in given:
        sparse = given.sparse_tensor("sparse_value")
        return call.walk.once(call.node, partial(sparse_value, sparse, types, call.walk.file))
    if "value_float" in given:
        return known_array(np.asarray(given.number("value_float", 0.0)), floats)
    if "value_int" in given:
        return known_array(np.asarray(given.integer("value_int", 0)), "int64")
    if "value_ints" in given:
        return known_array(np.asarray(given.integers("value_ints"), dtype=np.int64), "int64")
    if "value_floats" in given:
        numbers = np.asarray(given.numbers("value_floats"), dtype=np.float32)
        shape = numbers.shape
        return call.walk.once(call.node, lambda: Stored(FileConstant(name, shape, floats, lambda: numbers), shape))
    if "value_string" in given or "value_strings" in given:
        return Absent(f"the constant {name!r} holds text")
    raise SourceError(f"the constant {name!r} holds no value.")


@lowers("ConstantOfShape")
def _constant_of_shape(call: Call) -> Lowered:
    """A tensor of one value. If its shape is in the file too, floats may be weights whose values were left out."""
    shape, value = tuple(call.integers(0)), call.value(0)
    if any(not is_symbolic(dim) and dim < 0 for dim in shape):
        raise ShapeError(f"it makes a tensor with a negative size: {list(shape)}.")
    dtype, fill = _fill(call)
    if "float" in dtype and shape and isinstance(value, Known) and value.static:
        constant = FileConstant(call.node.output[0], shape, dtype, lambda: np.broadcast_to(fill(), shape))
        return call.walk.once(call.node, lambda: Stored(constant, shape), *shape)
    return call.builder.full(shape, fill().item(), dtype)


def _fill(call: Call) -> tuple[str, Callable[[], np.ndarray]]:
    """The type, and the one value, which weights never ask for."""
    proto, name, types, file = call.attributes.tensor("value"), call.node.output[0], call.walk.types, call.walk.file
    if proto is None:
        floats = types.named("FLOAT") or "float32"
        return floats, lambda: np.zeros((), dtype=floats)
    dtype = types.coded(proto.data_type)
    if dtype is None:
        raise Unlowered("it makes text")
    if math.prod(proto.dims) != 1:
        raise SourceError(f"the attribute 'value' must hold one element, its shape is {list(proto.dims)}.")

    def fill() -> np.ndarray:
        # What reads the value holds no call, which would keep the whole file and its graph alive.
        value = tensor_value(proto, name, types, file)
        array = value.constant.read() if isinstance(value, Stored) else value.values if isinstance(value, Known) else 0
        return np.asarray(array).reshape(-1)[0]  # type: ignore[no-any-return]

    return dtype, fill


@lowers("Shape")
def _shape(call: Call) -> Value:
    """The sizes of a tensor: known before any run, though some may be symbols."""
    value = call.value(0)
    rank = len(value.shape)
    start, end = call.attributes.integer("start", 0), call.attributes.integer("end", rank)
    return _sizes(
        list(value.shape[slice(start, end).indices(rank)[0] : max(0, slice(start, end).indices(rank)[1])]), value
    )


@lowers("Size")
def _size(call: Call) -> Value:
    value = call.value(0)
    return known_integers(np.asarray(product(value.shape), dtype=object), static=isinstance(value, Constant))


def _sizes(dims: list[Dim], value: Value) -> Known:
    values = np.empty(len(dims), dtype=object)
    values[:] = dims
    return known_integers(values, static=isinstance(value, Constant))


def _range(call: Call) -> Lowered:
    """Start, start + step and so on: one number for each step on the way to the limit."""
    start, limit, step = call.only(0, None), call.only(1, None), call.only(2, 1)
    dtype = call.value(0).dtype
    b = call.builder
    if any(is_symbolic(item) for item in (start, limit, step) if not isinstance(item, float)):
        if step != 1:
            raise Unlowered("a range in steps of more than one, of symbols")
        counter = b.emit(ops.Constant("iota", (limit - start,), dtype))
        return counter if start == 0 else b.map("add", counter, b.full((), start, dtype))
    if step == 0:
        raise SourceError("the steps of the range are zero.")
    count = max(0, math.ceil((limit - start) / step))
    if count <= MAX_KNOWN and is_small((count,)) and call.is_constant(0):
        return known_array(start + np.arange(count, dtype=np.int64) * step, dtype)
    counter = b.emit(ops.Constant("iota", (count,), dtype))
    return b.map("add", b.map("mul", counter, b.full((), step, dtype)), b.full((), start, dtype))


lowers("Range", since=11)(_range)
lowers("Range", domain="com.microsoft")(_range)


@lowers("Cast", "CastLike", "BitCast")
def _cast(call: Call) -> Lowered:
    """The same values in another type (BitCast: the same bits); free."""
    value = call.value(0)
    dtype = call.value(1).dtype if call.node.op_type == "CastLike" else _named(call, "to")
    x = call.tensor(0)
    if call.node.op_type == "BitCast":
        return _same_bits(call, x, dtype)
    if x.dtype == dtype:
        return call.like(value, x if not call.is_constant(0) else call.builder.map("identity", x))
    saturate = dtype.startswith(_EIGHT_BIT_FLOATS) and call.attributes.flag("saturate", True)
    rounding = call.attributes.text("round_mode", "up")
    if dtype == conversions.POWERS and "float" in x.dtype:
        if rounding not in ("up", "down", "nearest"):
            raise SourceError(f"the attribute 'round_mode' is up, down or nearest, received {rounding!r}.")
        return conversions.power_of_two(call.builder, x, cast("Any", rounding), saturate=saturate)
    return call.like(value, call.builder.emit(ops.Cast(dtype, saturate), _cut(call, x, dtype)))


def _cut(call: Call, x: Tensor, dtype: str) -> Tensor:
    """A float that becomes a whole number is cut towards zero, also as a small one that NumPy would round."""
    return call.builder.map("trunc", x) if "float" in x.dtype and dtype in INTEGER_DTYPES - {"bool"} else x


def _named(call: Call, attribute: str) -> str:
    dtype = call.walk.types.coded(call.attributes.integer(attribute, 0))
    if dtype is None:
        raise Unlowered("it makes text")
    return dtype


def _same_bits(call: Call, x: Tensor, dtype: str) -> Tensor:
    if DTYPE_BITS[dtype] != DTYPE_BITS[x.dtype]:
        raise ShapeError(f"{x.dtype} and {dtype} do not have the same number of bits.")
    return conversions.same_bits(call.builder, x, dtype)


@lowers("Identity")
def _identity(call: Call) -> Value:
    value = call.values[0] if call.values else None
    if value is None:
        raise SourceError("its operand is missing.")
    return value


@lowers("EyeLike")
def _eye_like(call: Call) -> Tensor:
    """Ones on a diagonal of a matrix like the operand: a constant."""
    shape = call.value(0).shape
    if len(shape) != 2 or any(map(is_symbolic, shape)):
        raise Unlowered("a diagonal of a matrix whose size is not known")
    rows, columns = (int(dim) for dim in shape)
    dtype = _named(call, "dtype") if "dtype" in call.attributes else call.value(0).dtype
    offset = call.attributes.integer("k", 0)
    return call.builder.emit(ops.Constant("array", shape, dtype, lambda: np.eye(rows, columns, offset)))
