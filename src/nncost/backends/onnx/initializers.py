"""The numbers that an ONNX file holds for the parameters of its graph."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nncost.backends.initial_values import shape_of
from nncost.errors import SourceError
from nncost.ir.graph import Graph, Parameter

Array = Any


def stored_values(path: str, graph: Graph) -> dict[Parameter, Array]:
    """Values by parameter for those that the file holds under the parameter's name, external files included.

    What a file computes from constants (``ConstantOfShape``) is computed; a parameter whose values it
    does not hold is left out. Raises SourceError where values do not fit their shape.
    """
    import onnx

    try:
        model = onnx.load(path)
    except Exception as error:  # noqa: BLE001 - external values may be missing, and readers raise many types
        raise SourceError(f"the weights of {path!r} cannot be read: {error}.") from None
    arrays = _arrays(model.graph)
    found: dict[Parameter, Array] = {}
    for parameter in graph.parameters:
        array = arrays.get(parameter.tensor.name)
        if array is None:
            continue
        if array.size != math.prod(shape_of(parameter)):
            raise SourceError(f"{path!r}: {parameter.tensor.name!r} has {array.size} values for {shape_of(parameter)}.")
        dtype = parameter.tensor.dtype if parameter.tensor.dtype in ("float16", "float32", "float64") else "float32"
        found[parameter] = array.reshape(shape_of(parameter)).astype(dtype)
    return found


def _arrays(graph: Any) -> dict[str, Array]:
    from onnx import numpy_helper

    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            arrays[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        elif node.op_type == "ConstantOfShape" and node.input[0] in arrays:
            filled = [numpy_helper.to_array(a.t) for a in node.attribute if a.name == "value"]
            value = filled[0].reshape(()) if filled else np.float32(0)
            arrays[node.output[0]] = np.broadcast_to(value, tuple(arrays[node.input[0]]))
    return arrays
