"""Operations without a lowering: what they read, and the shapes ONNX's own inference gives their outputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nncost.dims import Dim, Shape
from nncost.frontends.onnx.constants import dtype_named, type_name
from nncost.frontends.onnx.values import MAX_KNOWN

Signature = tuple[Shape, str]


class Inference:
    """Shapes by name, inferred by the package ``onnx`` when the first unknown operation asks.

    The model is copied without its weights and with the input shapes in use; ``dim_of`` turns a
    named size into a Dim, or None where the name is none of the model's own.
    """

    def __init__(
        self,
        model: Any,
        shapes: Mapping[str, Shape],
        dtype: str,
        dim_of: Callable[[str], Dim | None],
        *,
        trust_file: bool,
    ) -> None:
        self._model, self._shapes, self._dtype, self._dim_of, self._trust_file = (
            model,
            shapes,
            dtype,
            dim_of,
            trust_file,
        )
        self._found: dict[str, Any] | None = None

    def signature(self, name: str) -> Signature | None:
        """The shape and dtype of a tensor, or None where either is unknown."""
        if self._found is None:
            self._found = self._infer()
        described = self._found.get(name)
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

    def _infer(self) -> dict[str, Any]:
        from onnx import shape_inference

        try:
            graph = shape_inference.infer_shapes(self._stripped(), data_prop=True).graph
        except Exception:  # noqa: BLE001 - inference is C++ and raises many types; without it shapes stay unknown
            return {}
        return {described.name: described for described in (*graph.value_info, *graph.output)}

    def _stripped(self) -> Any:
        """The model with large initializers as inputs, so that no weights are copied."""
        import onnx

        source, result = self._model.graph, onnx.ModelProto()
        result.ir_version = self._model.ir_version
        result.opset_import.extend(self._model.opset_import)
        result.functions.extend(self._model.functions)
        graph = result.graph
        graph.name = "stripped"
        graph.node.extend(source.node)
        for tensor in source.initializer:
            if math.prod(tensor.dims) <= MAX_KNOWN and tensor.data_location != 1:
                graph.initializer.append(tensor)
            elif tensor.name not in self._shapes:
                graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
        for given in source.input:
            shape = self._shapes.get(given.name)
            if shape is None:
                graph.input.append(given)
            else:
                dims = [dim if isinstance(dim, int) else str(dim) for dim in shape]
                graph.input.append(
                    onnx.helper.make_tensor_value_info(given.name, given.type.tensor_type.elem_type, dims)
                )
        for output in source.output:
            graph.output.add().name = output.name
        if self._trust_file:
            graph.value_info.extend(source.value_info)
            del graph.output[:]
            graph.output.extend(source.output)
        return result


def captured_names(node: Any) -> Iterator[str]:
    """Names that the bodies of an If, Loop or Scan read, whoever produces them; each one once."""
    yield from dict.fromkeys(_body_inputs(node))


def _body_inputs(node: Any) -> Iterator[str]:
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs) if attribute.type in _GRAPH_TYPES else ():
            for inner in body.node:
                yield from (name for name in inner.input if name)
                yield from _body_inputs(inner)


_GRAPH_TYPES = (5, 10)
"""AttributeProto.GRAPH and GRAPHS."""
