"""What prepares features for classical models: scaling, filling gaps, picking, joining, naming."""

from __future__ import annotations

from typing import Any

import numpy as np

from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import lowers
from nncost.frontends.onnx.ml_attributes import constant, float_type, values_of
from nncost.frontends.onnx.treatments import REFUSED
from nncost.frontends.onnx.values import Unlowered
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.library.casts import in_type
from nncost.ir.library.lookup import looked_up
from nncost.ir.library.reductions import vector_norm

DOMAIN = "ai.onnx.ml"
SMALLEST_NORM = 1e-30


@lowers("Scaler", domain=DOMAIN)
def _scaler(call: Call) -> Tensor:
    """(X − offset)·scale: 1 add and 1 mul; what is not given is left out."""
    b, dtype = call.builder, float_type(call)
    x = in_type(b, call.tensor(0), dtype)
    for name, function in (("offset", "sub"), ("scale", "mul")):
        numbers = call.attributes.numbers(name)
        if numbers:
            x = b.map(function, x, constant(call, numbers, dtype))
    return x


@lowers("Normalizer", domain=DOMAIN)
def _normalizer(call: Call) -> Tensor:
    """Each row divided by its norm: that of the norm, 1 cmp for each row, 1 div for each element."""
    b, x = call.builder, in_type(call.builder, call.ranked(0, 1, 2), float_type(call))
    order = {"MAX": float("inf"), "L1": 1.0, "L2": 2.0}.get(name := call.attributes.text("norm", "MAX"))
    if order is None:
        raise SourceError(f"the attribute 'norm' is MAX, L1 or L2, received {name!r}.")
    length = b.map("max", vector_norm(b, x, order, [-1], keep=True), SMALLEST_NORM)
    return b.map("div", x, length)


@lowers("Binarizer", domain=DOMAIN)
def _binarizer(call: Call) -> Tensor:
    b, x = call.builder, call.tensor(0)
    threshold = b.full((), call.attributes.number("threshold", 0.0), x.dtype)
    return b.emit(ops.Cast(x.dtype), b.map("greater", x, threshold))


@lowers("Imputer", domain=DOMAIN)
def _imputer(call: Call) -> Tensor:
    """A number for each feature, or one for all, where one is missing: 2 cmp."""
    b, x, a = call.builder, call.tensor(0), call.attributes
    is_float = "float" in x.dtype
    numbers: Any = a.numbers("imputed_value_floats") if is_float else a.integers("imputed_value_int64s")
    gone: float = a.number("replaced_value_float", 0.0) if is_float else a.integer("replaced_value_int64", 0)
    if not numbers:
        raise SourceError("it has no numbers for what is missing.")
    missing = b.map("not_equal", x, x) if np.isnan(gone) else b.map("equal", x, b.full((), gone, x.dtype))
    return b.map("select", missing, constant(call, numbers, x.dtype), x)


@lowers("ArrayFeatureExtractor", domain=DOMAIN)
def _array_feature_extractor(call: Call) -> Tensor:
    """Elements of the last axis; a vector is one row."""
    b, x, index = call.builder, call.tensor(0), call.tensor(1)
    rows = x if x.rank > 1 else b.unsqueeze(x, 0)
    return b.emit(ops.Gather(rows.rank - 1), rows, b.reshape(index, (index.elements,)))


@lowers("FeatureVectorizer", domain=DOMAIN)
def _feature_vectorizer(call: Call) -> Tensor:
    """All operands side by side, each cut or filled with zeros to its width."""
    b, dtype, parts = call.builder, float_type(call), []
    widths = call.attributes.integers("inputdimensions") or []
    for number in range(len(call.values)):
        x = in_type(b, call.ranked(number, 1, 2), dtype)
        x = x if x.rank == 2 else b.unsqueeze(x, 1)
        parts.append(b.pad(x, 1, 0, widths[number] - x.shape[1]) if number < len(widths) else x)
    return b.concat(parts, 1)


@lowers("OneHotEncoder", domain=DOMAIN)
def _one_hot_encoder(call: Call) -> Tensor:
    """1 comparison with each category; whole numbers alone, text is unknown."""
    b, x = call.builder, call.tensor(0)
    names = call.attributes.integers("cats_int64s")
    if not names:
        raise Unlowered("its categories are text")
    if "float" in x.dtype:
        x = b.emit(ops.Cast("int64"), x)
    same = b.map("equal", b.unsqueeze(x, x.rank), constant(call, names, x.dtype))
    return b.emit(ops.Cast(float_type(call)), same)


@lowers("LabelEncoder", domain=DOMAIN)
def _label_encoder(call: Call) -> Tensor:
    """Numbers by numbers; text is unknown."""
    x = call.tensor(0)
    keys, values, default = _labels(call, "keys"), _labels(call, "values"), _default(call)
    if len(keys) != len(values):
        raise ShapeError(f"{len(keys)} keys have {len(values)} values.")
    dtype = {"f4": "float32", "f8": "float64", "i8": "int64", "i4": "int32", "i2": "int16"}[values.dtype.str[1:]]
    return looked_up(call.builder, x, keys, values.astype(values.dtype), default, dtype)


def _labels(call: Call, which: str) -> Any:
    a = call.attributes
    if (proto := a.tensor(f"{which}_tensor")) is not None:
        return np.asarray(values_of(call, proto)).reshape(-1)
    if numbers := a.integers(f"{which}_int64s"):
        return np.asarray(numbers, dtype=np.int64)
    if floats := a.numbers(f"{which}_floats"):
        return np.asarray(floats, dtype=np.float32)
    raise Unlowered(f"its {which} are text")


def _default(call: Call) -> float:
    a = call.attributes
    if (proto := a.tensor("default_tensor")) is not None:
        return float(np.asarray(values_of(call, proto)).reshape(-1)[0])
    return a.number("default_float", -0.0) if "values_floats" in a else a.integer("default_int64", -1)


@lowers("ZipMap", domain=DOMAIN)
def _zip_map(call: Call) -> Tensor:
    raise Unlowered(REFUSED["ai.onnx.ml.ZipMap"])
