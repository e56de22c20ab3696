"""Collects the nodes and initializers of an ONNX graph under construction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nncost.errors import SourceError
from nncost.ir.numpy_types import widely_known

Array = Any
BASE_OPSET = 18
"""Reductions take their axes as an operand from here on."""
_TYPES = {
    "float16": "FLOAT16", "float32": "FLOAT", "float64": "DOUBLE", "bfloat16": "FLOAT", "int64": "INT64", "int32": "INT32",
    "int16": "INT16", "int8": "INT8", "uint8": "UINT8", "bool": "BOOL",
}  # fmt: skip
"""Element types by name; numbers of bfloat16 are written in full."""


def element_type(dtype: str) -> int:
    """ONNX's code of a type. Raise SourceError for one that is not written."""
    from onnx import TensorProto

    if dtype not in _TYPES:
        raise SourceError(f"values of {dtype} are not written to ONNX.", hint=f"Accepted: {', '.join(_TYPES)}.")
    return int(TensorProto.DataType.Value(_TYPES[dtype]))


def numpy_type(dtype: str) -> str:
    """The NumPy type that holds numbers of a type."""
    return "float32" if dtype == "bfloat16" else dtype


@dataclass(slots=True)
class Emitter:
    """Nodes in order, initializers, names that are taken, and the opset that the nodes need."""

    dtype: str
    nodes: list[Any] = field(default_factory=list)
    initializers: list[Any] = field(default_factory=list)
    opset: int = BASE_OPSET
    _names: Counter[str] = field(default_factory=Counter)
    _scalars: dict[tuple[float, str], str] = field(default_factory=dict)

    def name(self, wanted: str) -> str:
        """A name nothing else has."""
        self._names[wanted] += 1
        return wanted if self._names[wanted] == 1 else self.name(f"{wanted}.{self._names[wanted]}")

    def array(self, values: Array, name: str) -> str:
        """An initializer; gives its name."""
        from onnx import numpy_helper

        chosen = self.name(name)
        self.initializers.append(numpy_helper.from_array(widely_known(np.array(values, order="C")), chosen))
        return chosen

    def integers(self, numbers: Sequence[int]) -> str:
        """A vector of int64, such as a shape or axes."""
        return self.array(np.array(list(numbers), dtype=np.int64).reshape(len(numbers)), "integers")

    def scalar(self, value: float, dtype: str | None = None) -> str:
        """A number without axes, which readers do not take for a parameter; each is written once."""
        kind = numpy_type(dtype or self.dtype)
        if (value, kind) not in self._scalars:
            self._scalars[value, kind] = self.array(np.array(value, dtype=kind).reshape(()), "number")
        return self._scalars[value, kind]

    def node(
        self, kind: str, inputs: Sequence[str], *, since: int = BASE_OPSET, path: str = "", **attributes: Any
    ) -> str:
        """A node with one output; gives the output's name."""
        return self.several(kind, inputs, 1, since=since, path=path, **attributes)[0]

    def several(
        self,
        kind: str,
        inputs: Sequence[str],
        count: int,
        *,
        since: int = BASE_OPSET,
        path: str = "",
        **attributes: Any,
    ) -> list[str]:
        """A node with several outputs; one named in no input of a later node may stay unused."""
        from onnx import helper

        name = self.name(f"{path}.{kind}".strip(".") if path else kind)
        outputs = [f"{name}:{number}" for number in range(count)]
        self.nodes.append(helper.make_node(kind, list(inputs), outputs, name=name, **attributes))
        self.opset = max(self.opset, since)
        return outputs

    def prune(self, outputs: Sequence[str]) -> None:
        """Leave out nodes and initializers that no output depends on."""
        wanted, kept = set(outputs), []
        for node in reversed(self.nodes):
            if wanted.intersection(node.output):
                kept.append(node)
                wanted.update(node.input)
        self.nodes = kept[::-1]
        self.initializers = [tensor for tensor in self.initializers if tensor.name in wanted]
