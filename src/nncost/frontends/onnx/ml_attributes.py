"""Numbers of classical models, which lie in attributes, as constants of the graph and as parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from nncost.errors import SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.constants import tensor_value
from nncost.frontends.onnx.values import FileConstant, Known, Stored
from nncost.ir import ops
from nncost.ir.graph import Role, Tensor
from nncost.ir.library.casts import in_type
from nncost.ir.library.post_transforms import NAMES

Array = Any


def float_type(call: Call) -> str:
    """The type of single floats, or what the caller has them counted in."""
    return call.walk.types.named("FLOAT") or "float32"


def floats_of(call: Call, name: str) -> Array:
    """Numbers of an attribute, which may be a list or a tensor; none if it is missing."""
    proto = call.attributes.tensor(f"{name}_as_tensor")
    if proto is None:
        return np.asarray(call.attributes.numbers(name), dtype=np.float32)
    return np.asarray(values_of(call, proto))


def values_of(call: Call, proto: Any) -> Array:
    """The numbers of a tensor that is an attribute."""
    value = tensor_value(proto, "", call.walk.types, call.walk.file)
    if isinstance(value, Known):
        return value.values
    if isinstance(value, Stored):
        return value.constant.read()
    raise SourceError("an attribute holds text where numbers are needed.")


def learned(call: Call, name: str, array: Array, role: Role) -> Tensor:
    """Numbers of an attribute as a parameter, named after the node's first output."""
    kept = np.asarray(array)
    constant = FileConstant(f"{call.node.output[0]}.{name}", kept.shape, float_type(call), lambda: kept)
    return call.walk.tensors.of(call.walk.once(call.node, lambda: Stored(constant, kept.shape), name), role)


def constant(call: Call, array: Array, dtype: str) -> Tensor:
    """Numbers as a constant."""
    kept = np.asarray(array)
    return call.builder.emit(ops.Constant("array", kept.shape, dtype, kept))


def features(call: Call) -> Tensor:
    """X as single floats, one example in each row; a vector is one example."""
    x = in_type(call.builder, call.ranked(0, 1, 2), float_type(call))
    return x if x.rank == 2 else call.builder.unsqueeze(x, 0)


def transform(call: Call) -> str:
    """The name of what scores go through."""
    name = call.attributes.text("post_transform", "NONE")
    if name not in NAMES:
        raise SourceError(f"the attribute 'post_transform' is one of {', '.join(NAMES)}, received {name!r}.")
    return name
