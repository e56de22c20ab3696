"""Nodes that make constants: their values stay in the file or are known from the start."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from nncost.dims import Dim, Shape, is_symbolic, product
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call, small
from nncost.frontends.onnx.constants import FLOATS, dtype_named, known_array, tensor_value, type_name
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.values import (
    MAX_KNOWN,
    Absent,
    Computed,
    FileConstant,
    Known,
    Stored,
    Unlowered,
    Value,
    has_symbols,
    known_integers,
)
from nncost.ir import ops


@lowers("Constant")
def _constant(call: Call) -> Value:
    name, given, dtype = call.node.output[0], call.attributes, call.builder.dtype
    if "value" in given:
        return tensor_value(given.tensor("value"), name, dtype)
    if "value_float" in given:
        return known_array(np.asarray(given.number("value_float", 0.0)), dtype)
    if "value_int" in given:
        return known_integers(np.asarray(given.integer("value_int", 0), dtype=object))
    if "value_ints" in given:
        return known_integers(np.asarray(given.integers("value_ints"), dtype=object))
    if "value_floats" in given:
        numbers = given.numbers("value_floats")
        return _stored(name, (len(numbers),), dtype, lambda: np.asarray(numbers))
    return Absent(f"the constant {name!r} holds no plain numbers")


def _stored(name: str, shape: Shape, dtype: str, read: object) -> Stored:
    return Stored(FileConstant(name, shape, dtype, True, read), shape)  # type: ignore[arg-type]


@lowers("ConstantOfShape")
def _constant_of_shape(call: Call) -> Lowered:
    """A tensor of one value. If its shape is in the file too, floats are weights whose values were left out."""
    shape, value = tuple(call.integers(0)), call.value(0)
    if any(not is_symbolic(dim) and dim < 0 for dim in shape):
        raise ShapeError(f"it makes a tensor with a negative size: {list(shape)}.")
    dtype, fill = _fill(call)
    static = isinstance(value, Known) and value.static
    if "float" in dtype and shape and static:
        return _stored(call.node.output[0], shape, dtype, lambda: np.broadcast_to(np.float64(fill()), shape))
    if small(shape) and ("float" not in dtype or not shape):
        return known_array(np.full(shape, fill()), dtype, static=static)
    return call.builder.full(shape, fill(), dtype)


def _fill(call: Call) -> tuple[str, Callable[[], float]]:
    """The type, and the one value, which weights never ask for."""
    proto, name, floats = call.attributes.tensor("value"), call.node.output[0], call.builder.dtype
    if proto is None:
        return floats, lambda: 0.0
    type_ = type_name(proto.data_type)
    dtype = dtype_named(type_, floats)
    if dtype is None:
        raise Unlowered(f"a constant of {type_.lower()} values")
    if math.prod(proto.dims) != 1:
        raise SourceError(f"the attribute 'value' must hold one element, its shape is {list(proto.dims)}.")
    # What reads the value holds no call, which would keep the whole file and its graph alive.
    return dtype, lambda: _only_element(tensor_value(proto, name, floats))


def _only_element(value: Value) -> float:
    array = value.constant.read() if isinstance(value, Stored) else value.values if isinstance(value, Known) else 0.0
    return np.asarray(array).reshape(-1)[0]  # type: ignore[no-any-return]


@lowers("Shape")
def _shape(call: Call) -> Value:
    """The sizes of a tensor: known before any run, though some may be symbols."""
    value = call.value(0)
    start, end = call.attributes.integer("start", 0), call.attributes.integer("end", len(value.shape))
    return _sizes(list(value.shape[start:end]), static=not isinstance(value, Computed))


@lowers("Size")
def _size(call: Call) -> Value:
    value = call.value(0)
    return known_integers(np.asarray(product(value.shape), dtype=object), static=not isinstance(value, Computed))


def _sizes(dims: list[Dim], *, static: bool) -> Known:
    values = np.empty(len(dims), dtype=object)
    values[:] = dims
    return known_integers(values, static=static)


@lowers("Range", since=11)
def _range(call: Call) -> Value:
    known = call.known()
    if known is None or len(known) != 3 or any("float" in value.dtype or value.shape for value in known):
        raise Unlowered("a range computed from data")
    start, stop, step = (value.values.item() for value in known)
    if any(is_symbolic(item) for item in (start, stop, step)):
        return _symbolic_range(call, start, stop, step)
    if step == 0 or len(range(start, stop, step)) > MAX_KNOWN:
        raise Unlowered("a long range")
    return _sizes(list(range(start, stop, step)), static=all(value.static for value in known))


def _symbolic_range(call: Call, start: Dim, stop: Dim, step: Dim) -> Value:
    if start != 0 or step != 1:
        raise Unlowered("a range of symbols")
    return Computed(call.builder.emit(ops.Constant("iota", (stop,), "int64")))


@lowers("Cast")
def _cast(call: Call) -> Lowered:
    """Another type; all floats are of one type here, so that changes among them are no operation."""
    value, type_ = call.value(0), type_name(call.attributes.integer("to", 0))
    dtype = dtype_named(type_, call.builder.dtype)
    if dtype is None:
        raise Unlowered(f"values as {type_.lower()}")
    if isinstance(value, Stored) and value.learned and type_ in FLOATS:
        return value
    if isinstance(value, Known) and not _symbolic_float(value, dtype):
        return known_array(value.values, dtype, static=value.static)
    x = call.tensor(0)
    return x if x.dtype == dtype else call.builder.emit(ops.Cast(dtype), x)


def _symbolic_float(value: Known, dtype: str) -> bool:
    """Whether a symbol would have to become a float or a Boolean."""
    return has_symbols(value) and (dtype == "bool" or "float" in dtype)


@lowers("Identity")
def _identity(call: Call) -> Value:
    return call.value(0)
