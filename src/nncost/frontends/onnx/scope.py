"""The names of a graph of the file: its own, those of the graph around it, and its constants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from nncost.errors import SourceError
from nncost.frontends.onnx.constants import Types, tensor_value
from nncost.frontends.onnx.sparse import sparse_value
from nncost.frontends.onnx.values import Once, Value
from nncost.names import printable


class Scope:
    """What the names of one graph stand for; ``used`` are those that something reads."""

    def __init__(
        self,
        graph: Any,
        types: Types,
        file: str,
        opsets: Mapping[str, int],
        outer: Scope | None = None,
        *,
        once: Once,
    ) -> None:
        self.opsets = opsets
        self.outer = outer
        self.values: dict[str, Value] = {}
        self.layers: Counter[str] = Counter()
        self.used: set[str] = used_names(graph.node) | {_name(output) for output in graph.output}
        self._types, self._file, self._once = types, file, once
        constants = getattr(graph, "initializer", ())
        self._initializers = {tensor.name: tensor for tensor in constants}
        if len(self._initializers) < len(constants):
            different_names("constants", constants)
        for sparse in getattr(graph, "sparse_initializer", ()):
            self.values[sparse.values.name] = once(sparse, partial(sparse_value, sparse, types, file))

    def value(self, name: str) -> Value:
        """What a name stands for. Raise SourceError if nothing produces it."""
        scope: Scope | None = self
        while scope is not None:
            found = scope._own(name)
            if found is not None:
                return found
            scope = scope.outer
        raise SourceError(
            f"it reads {name!r}, which no node before it produces.",
            hint="The nodes of an ONNX file must stand in execution order, without cycles.",
        )

    def _own(self, name: str) -> Value | None:
        found = self.values.get(name)
        if found is None and name in self._initializers:
            stored = self._initializers[name]
            found = self.values[name] = self._once(stored, partial(tensor_value, stored, name, self._types, self._file))
        return found

    def has(self, name: str) -> bool:
        """Whether a name stands for something here or outside."""
        return name in self.values or name in self._initializers or (self.outer is not None and self.outer.has(name))

    def bind_input(self, name: str, value: Value) -> None:
        """Let an input stand for what the caller gives, also where the file has a constant for it."""
        self._initializers.pop(name, None)
        self.values[name] = value

    def bind(self, name: str, value: Value) -> None:
        """Let a name stand for a value. Raise SourceError if it already stands for another."""
        if name in self.values or name in self._initializers:
            raise SourceError(f"{name!r} is produced twice.")
        self.values[name] = value


def different_names(what: str, named: Iterable[Any]) -> set[str]:
    """The names of constants or inputs. Raise SourceError if two have the same."""
    names: set[str] = set()
    for each in named:
        if each.name in names:
            raise SourceError(f"the file has two {what} named {printable(each.name)!r}.")
        names.add(each.name)
    return names


def used_names(nodes: Iterable[Any]) -> set[str]:
    """The names that nodes read, in the bodies of their loops and branches too."""
    found: set[str] = set()
    for node in nodes:
        found.update(node.input)
        for attribute in node.attribute:
            for body in (attribute.g, *attribute.graphs) if attribute.type in GRAPH_TYPES else ():
                found |= used_names(body.node) | {_name(output) for output in body.output}
    return found


def _name(output: Any) -> str:
    return output if isinstance(output, str) else str(output.name)


GRAPH_TYPES = (5, 10)
"""AttributeProto.GRAPH and GRAPHS."""
