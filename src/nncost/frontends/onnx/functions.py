"""Functions of the file and of the ONNX standard: operations that are defined as graphs of others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nncost.errors import SourceError

Key = tuple[str, str, str]
MAX_CALLS = 100
"""Calls inside each other that are followed to tell a function's size; more are an error where they are inlined."""


class Functions:
    """The functions of one file by domain, name and overload, and those of the standard that need no type to be known."""

    def __init__(self, functions: Iterable[Any]) -> None:
        self._by_key: dict[Key, Any] = {}
        for function in functions:
            key = (_domain(function.domain), function.name, getattr(function, "overload", ""))
            if key in self._by_key:
                raise SourceError(f"the file defines the function {function.name!r} twice.")
            self._by_key[key] = function
        self._sizes: dict[int, int] = {}

    def of_file(self, node: Any) -> Any:
        """The file's own function that a node calls, or None."""
        if not self._by_key:
            return None
        return self._by_key.get((_domain(node.domain), node.op_type, getattr(node, "overload", "")))

    def size(self, function: Any) -> int:
        """The nodes that a call of one of the file's functions runs, those of the functions that it calls included."""
        return self._size(function, 0)

    def _size(self, function: Any, depth: int) -> int:
        if id(function) not in self._sizes:
            self._sizes[id(function)] = 0  # for a function that calls itself, which is an error where it is inlined
            self._sizes[id(function)] = sum(self._size_of(node, depth) for node in function.node)
        return self._sizes[id(function)]

    def _size_of(self, node: Any, depth: int) -> int:
        if depth > MAX_CALLS:
            return 0
        called = self.of_file(node)
        inside = 0 if called is None else self._size(called, depth + 1)
        bodies = (graph for item in node.attribute for graph in (item.g, *item.graphs) if graph.node)
        return 1 + inside + sum(self._size_of(each, depth + 1) for graph in bodies for each in graph.node)

    def of_standard(self, domain: str, name: str, opset: int) -> Any:
        """The body that the standard defines an operation by, or None."""
        from onnx import defs

        if not defs.has(name, domain):
            return None
        try:
            schema = defs.get_schema(name, opset, domain)
        except defs.SchemaError:
            return None
        body = schema.function_body
        return body if body.node else None

    def opsets(self, function: Any, outside: Mapping[str, int]) -> Mapping[str, int]:
        """The opsets that a function is written for; what it does not say is as outside."""
        own = {_domain(entry.domain): entry.version for entry in function.opset_import}
        return {**outside, **own}

    def _defaults(self, function: Any, caller: Any) -> Iterator[Any]:
        """The attributes that a caller of a standard operation leaves at their defaults."""
        from onnx import defs

        domain = _domain(caller.domain)
        version = self.opsets(function, {}).get(domain)
        if version is not None and self.of_file(caller) is None and defs.has(caller.op_type, domain):
            attributes = defs.get_schema(caller.op_type, version, domain).attributes.values()
            yield from (attribute.default_value for attribute in attributes if attribute.default_value.name)

    def nodes(self, function: Any, caller: Any) -> Iterator[Any]:
        """The function's nodes, with the attributes that they take from its caller."""
        given = {
            item.name: item
            for item in (*self._defaults(function, caller), *function.attribute_proto, *caller.attribute)
        }
        for node in function.node:
            yield _with_attributes(node, given) if any(item.ref_attr_name for item in node.attribute) else node


def _with_attributes(node: Any, given: Mapping[str, Any]) -> Any:
    result = type(node)()
    result.CopyFrom(node)
    del result.attribute[:]
    for item in node.attribute:
        if not item.ref_attr_name:
            result.attribute.append(item)
        elif item.ref_attr_name in given:
            copied = type(item)()
            copied.CopyFrom(given[item.ref_attr_name])
            copied.name = item.name
            result.attribute.append(copied)
    return result


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name
