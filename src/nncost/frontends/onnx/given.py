"""The inputs of a file as values, with the numbers of those that the caller gave as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nncost.frontends.model import LoadOptions, TensorShape
from nncost.frontends.onnx.inputs import FileInputs
from nncost.frontends.onnx.values import Absent, Array, Computed
from nncost.ir.graph import Tensor
from nncost.ir.numpy_types import numpy_dtype

if TYPE_CHECKING:
    from nncost.frontends.onnx.translation import Translation


def bind_inputs(translation: Translation, inputs: FileInputs, options: LoadOptions) -> None:
    """Make each input a tensor of the graph.

    Sizes that the network reads from the values of an input follow from the caller's arrays.
    """
    given = _arrays(inputs, options)
    for name, shape, dtype in inputs.tensors:
        tensor = translation.builder.input(shape, dtype=dtype, name=name)
        value = Computed(tensor, activation="float" in dtype, source="input")
        translation.scope.bind(name, value)
        if name in given:
            translation.given[tensor] = _typed(given[name], tensor)
    for name in inputs.others:
        translation.scope.bind(name, Absent(f"the input {name!r} is no tensor of numbers"))


def _typed(values: Any, tensor: Tensor) -> Array:
    array = np.asarray(values.detach() if hasattr(values, "detach") else values)
    return array.astype(numpy_dtype(tensor.dtype), copy=False)


def _arrays(inputs: FileInputs, options: LoadOptions) -> dict[str, Any]:
    """The caller's arrays by the name of the input, also those that are given by their place."""
    if options.given is None:
        return {}
    names = [name for name, _, _ in inputs.tensors]
    by_name = dict(zip(names, options.given.args, strict=False)) | dict(options.given.kwargs)
    return {
        name: value
        for name, value in by_name.items()
        if not isinstance(value, (TensorShape, str, tuple, list)) and hasattr(value, "shape")
    }
