"""Operations without a lowering: what they read, and the shapes ONNX's own inference gives their outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from nncost.dims import Dim, is_symbolic
from nncost.frontends.onnx.call import small
from nncost.frontends.onnx.constants import FLOATS, dtype_named, type_name
from nncost.frontends.onnx.values import Absent, Computed, Known, Stored, Value, has_symbols
from nncost.ir.ops import TensorType

MAX_INFERRED = 2**20
"""The largest number handed to the inference, which is C++ and may allocate what a broken file asks for."""


class Inference:
    """Shapes of an unknown node's outputs, inferred by the package ``onnx`` from those of its operands.

    ``dim_of`` turns a named size into a Dim, or None for a name the model does not have.
    With ``trust_file``, shapes that the file itself states are used if inference finds none.
    """

    def __init__(self, model: Any, dtype: str, dim_of: Callable[[str], Dim | None], *, trust_file: bool) -> None:
        self._model, self._dtype, self._dim_of = model, dtype, dim_of
        stated = (*model.graph.value_info, *model.graph.output) if trust_file else ()
        self._stated = {described.name: described for described in stated}

    def types(self, node: Any, operands: Mapping[str, Value]) -> list[TensorType | None]:
        """The shape and dtype of each output; None if either is unknown."""
        found = self._inferred(node, operands)
        return [self._type(found.get(name)) or self._type(self._stated.get(name)) for name in node.output]

    def _type(self, described: Any) -> TensorType | None:
        if described is None or not described.type.tensor_type.HasField("shape"):
            return None
        tensor = described.type.tensor_type
        dims = [self._dim(dim) for dim in tensor.shape.dim]
        dtype = dtype_named(type_name(tensor.elem_type), self._dtype)
        if dtype is None or any(dim is None for dim in dims):
            return None
        return tuple(dim for dim in dims if dim is not None), dtype

    def _dim(self, dim: Any) -> Dim | None:
        if dim.HasField("dim_value"):
            return int(dim.dim_value) if dim.dim_value >= 0 else None
        return self._dim_of(dim.dim_param) if dim.dim_param else None

    def _inferred(self, node: Any, operands: Mapping[str, Value]) -> dict[str, Any]:
        from onnx import shape_inference

        # What an operand of no known type makes of the inference, which is C++, is a crash at worst.
        if any(isinstance(value, Absent) for value in operands.values()) or not operands.keys() >= {*node.input} - {""}:
            return {}
        try:
            graph = shape_inference.infer_shapes(self._alone(node, operands)).graph
        except Exception:  # noqa: BLE001 - inference raises many types; without it shapes stay unknown
            return {}
        return {described.name: described for described in (*graph.value_info, *graph.output)}

    def _alone(self, node: Any, operands: Mapping[str, Value]) -> Any:
        """A model of this node, with small constants by value and every other operand by shape."""
        import onnx

        result = onnx.ModelProto(ir_version=self._model.ir_version)
        result.opset_import.extend(self._model.opset_import)
        result.functions.extend(self._model.functions)
        graph = result.graph
        graph.name = "node"
        graph.node.append(node)
        graph.output.extend(onnx.ValueInfoProto(name=name) for name in node.output if name)
        for name, value in operands.items():
            constant = _small_constant(value)
            if constant is not None:
                graph.initializer.append(onnx.numpy_helper.from_array(constant, name))
            elif not isinstance(value, Absent):
                dims = [str(dim) if is_symbolic(dim) else dim for dim in value.shape]
                graph.input.append(onnx.helper.make_tensor_value_info(name, _element_type(value), dims))
        return result


def _small_constant(value: Value) -> Any:
    """The values of an operand that its output's shape may depend on, or None."""
    if isinstance(value, Stored) and value.learned and small(value.shape) and not value.moves:
        return np.asarray(value.constant.read(), dtype=np.float32).reshape(value.shape)
    if not isinstance(value, Known) or has_symbols(value):
        return None
    if value.dtype == "bool":
        return value.values
    if "float" in value.dtype:
        return value.values.astype(np.float32)
    if any(abs(item) > MAX_INFERRED for item in value.values.flat):
        return None
    return value.values.astype(value.dtype)


def _element_type(value: Computed | Known | Stored) -> int:
    """The ONNX code of an operand's type; all floats are of one type here."""
    from onnx import TensorProto

    return int(TensorProto.DataType.Value("FLOAT" if value.dtype in FLOATS.values() else value.dtype.upper()))


def captured_names(node: Any) -> Iterator[str]:
    """Names that the bodies of an If, Loop or Scan read, whoever produces them."""
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs) if attribute.type in _GRAPH_TYPES else ():
            for inner in body.node:
                yield from (name for name in inner.input if name)
                yield from captured_names(inner)


_GRAPH_TYPES = (5, 10)
"""AttributeProto.GRAPH and GRAPHS."""
