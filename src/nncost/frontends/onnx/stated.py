"""The shapes and types that the file itself states for what its nodes compute: they stand in for operations without a rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nncost.dims import Dim
from nncost.frontends.onnx.constants import Types
from nncost.ir.ops import TensorType


class StatedTypes:
    """What the file says of its values, if its inputs have the sizes that it states.

    ``dim_of`` turns a named size into a Dim, or None for a name the model does not have.
    """

    def __init__(self, graph: Any, types: Types, dim_of: Callable[[str], Dim | None], *, trusted: bool) -> None:
        self._types, self._dim_of = types, dim_of
        stated = (*graph.value_info, *graph.output) if trusted else ()
        self._stated = {described.name: described for described in stated}

    def type_of(self, name: str) -> TensorType | None:
        """The shape and dtype of a value; None if either is not stated."""
        described = self._stated.get(name)
        if described is None or not described.type.tensor_type.HasField("shape"):
            return None
        tensor = described.type.tensor_type
        dims = [self._dim(dim) for dim in tensor.shape.dim]
        dtype = self._types.coded(tensor.elem_type)
        if dtype is None or any(dim is None for dim in dims):
            return None
        return tuple(dim for dim in dims if dim is not None), dtype

    def _dim(self, dim: Any) -> Dim | None:
        if dim.HasField("dim_value"):
            return int(dim.dim_value) if dim.dim_value >= 0 else None
        return self._dim_of(dim.dim_param) if dim.dim_param else None
