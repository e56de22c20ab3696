"""The inputs of a file as values, with the numbers of those that the caller gave as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nncost.frontends.arguments import flattened
from nncost.frontends.model import LoadOptions, TensorShape
from nncost.frontends.onnx.inputs import FileInputs
from nncost.frontends.onnx.values import Absent, Array, Computed, Nothing, TensorList, Value
from nncost.ir.graph import Tensor
from nncost.ir.numpy_types import numpy_dtype

if TYPE_CHECKING:
    from nncost.frontends.onnx.translation import Translation


def bind_inputs(translation: Translation, inputs: FileInputs, options: LoadOptions) -> None:
    """Make each input a tensor of the graph.

    Sizes that the network reads from the values of an input follow from the caller's arrays.
    """
    given = _arrays(inputs, options)
    made: dict[str, Value] = {}
    for name, shape, dtype in inputs.tensors:
        tensor = translation.builder.input(shape, dtype=dtype, name=name)
        made[name] = Computed(tensor, activation="float" in dtype, source="input")
        if name in given:
            translation.given[tensor] = _typed(given[name], tensor)
    for name, parts in inputs.sequences.items():
        elements = None if parts is None else tuple(made.pop(part) for part in parts)
        if elements is None:
            made[name] = Nothing()
        else:
            made[name] = elements[0] if parts == (name,) else TensorList(elements)
    for name in inputs.others:
        made[name] = Absent(f"the input {name!r} holds text, or is no tensor")
    for name, value in made.items():
        translation.scope.bind_input(name, value)


def _typed(values: Any, tensor: Tensor) -> Array:
    array = np.asarray(values.detach() if hasattr(values, "detach") else values)
    return array.astype(numpy_dtype(tensor.dtype), copy=False)


def _arrays(inputs: FileInputs, options: LoadOptions) -> dict[str, Any]:
    """The caller's arrays by the name of the input, also those that are given by their place."""
    if options.given is None:
        return {}
    names = [name for name, _, _ in inputs.tensors]
    by_name = dict(zip(names, options.given.args, strict=False)) | flattened(options.given.kwargs)
    return {
        name: value
        for name, value in by_name.items()
        if not isinstance(value, (TensorShape, str, tuple, list)) and hasattr(value, "shape")
    }
