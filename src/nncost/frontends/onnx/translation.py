"""The walk over the nodes of an ONNX graph: each is lowered, folded, or becomes an unknown operation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Any

from nncost.dims import Dim, Shape
from nncost.errors import NncostError, ShapeError, SourceError, SymbolError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.constants import tensor_value
from nncost.frontends.onnx.lowering import Lowered, full_name, lowering_for
from nncost.frontends.onnx.unknown import Inference, captured_names
from nncost.frontends.onnx.values import Absent, Computed, FileConstant, Known, Stored, Unlowered, Value, has_symbols
from nncost.ir import ops
from nncost.ir.builder import Builder, Location
from nncost.ir.graph import Node, Role, Tensor
from nncost.names import printable

DEFAULT_DOMAINS = ("", "ai.onnx")


class Translation:
    """The state of one walk: the graph under construction and what each name stands for.

    ``batch_was`` and ``batch_is`` say that the file's number of examples was replaced (see Reshape); ``folder`` is
    where the file lies, beside files that hold its values.
    """

    def __init__(
        self,
        builder: Builder,
        graph: Any,
        opsets: Mapping[str, int],
        inference: Inference,
        *,
        batch_was: int | None,
        batch_is: Dim,
        folder: str,
    ) -> None:
        self.builder = builder
        self.opsets = opsets
        self.batch_was, self.batch_is = batch_was, batch_is
        self.names: dict[str, Value] = {}
        self.notes: dict[str, None] = {}
        self._inference = inference
        self._folder = folder
        self._initializers = {tensor.name: tensor for tensor in graph.initializer}
        self._parameters: dict[FileConstant, Tensor] = {}
        self._used_names: Counter[str] = Counter()
        for sparse in graph.sparse_initializer:
            self.names[sparse.values.name] = Absent("a sparse constant")

    # ---------------------------------------------------------------- names
    def value(self, name: str) -> Value:
        """What a name stands for. Raise SourceError if nothing produces it."""
        found = self.names.get(name)
        if found is None:
            proto = self._initializers.get(name)
            if proto is None:
                raise SourceError(
                    f"it reads {name!r}, which no node before it produces.",
                    hint="The nodes of an ONNX file must stand in execution order, without cycles.",
                )
            found = self.names[name] = tensor_value(proto, name, self.builder.dtype, self._folder)
        return found

    def bind(self, name: str, value: Value) -> None:
        """Let a name stand for a value. Raise SourceError if it already stands for another."""
        if name in self.names or name in self._initializers:
            raise SourceError(f"{name!r} is produced twice.")
        self.names[name] = value

    def tensor(self, value: Value, role: Role) -> Tensor:
        """A value as a tensor of the graph; a learned constant becomes a parameter of the current layer."""
        if isinstance(value, Computed):
            return value.tensor
        if isinstance(value, Stored):
            return self._stored(value, role)
        if isinstance(value, Known):
            return self._constant(value)
        raise Unlowered(value.reason)

    def _stored(self, value: Stored, role: Role) -> Tensor:
        constant = value.constant
        if constant not in self._parameters:
            self._parameters[constant] = (
                self.builder.parameter(constant.shape, role, constant.name, read=constant.read)
                if constant.learned
                else self.builder.emit(ops.Constant("array", constant.shape, constant.dtype, constant.read))
            )
        tensor = self._parameters[constant]
        for move in value.moves:
            tensor = self.builder.emit(move, tensor)
        return tensor

    def _constant(self, known: Known) -> Tensor:
        b = self.builder
        if known.shape == () and "float" in known.dtype:
            return b.constant(float(known.values))
        if known.shape == ():
            return b.full((), known.values.item(), known.dtype)
        if has_symbols(known):
            parts = [b.full((1,), item, known.dtype) for item in known.values.flat]
            return b.reshape(b.emit(ops.Concat(0), *parts), known.shape)
        return b.emit(ops.Constant("array", known.shape, known.dtype, known.values))

    def outputs(self, names: Iterable[str]) -> dict[str, Tensor]:
        """The graph's outputs as tensors by name; one that is not a tensor is left out."""
        found = {}
        for name in names:
            self.builder.origin = f"the output {name!r}"
            if not self._is_bound(name):
                raise SourceError(f"the graph's output {name!r} is produced by no node.")
            value = self.value(name)
            if not isinstance(value, Absent):
                found[name] = self.tensor(value, "other")
        if not found:
            raise SourceError("no output of the graph is a tensor of numbers.")
        return found

    # ---------------------------------------------------------------- nodes
    def translate(self, node: Any) -> None:
        """Emit one node and bind its outputs. Raise an NncostError that names the node."""
        results = list(node.output)
        if bytes in map(type, (node.op_type, node.domain, node.name, *node.input, *results)):
            raise SourceError("a name in the file is not UTF-8 text; the file is damaged.")
        kind = self.kind_of(node)
        self.builder.origin = f"onnx.{kind} {node.name or ', '.join(results)}".strip()
        try:
            values = [self.value(name) if name else None for name in node.input]
            with self._layer(node):
                outputs = self._lowered(node, values)
                if outputs is None:
                    outputs = self._unknown(node, kind)
            for name, value in zip_longest(results, outputs[: len(results)]):
                if name:
                    self.bind(name, value or Absent(f"output {name!r} of {kind}"))
        except (ShapeError, SourceError, SymbolError) as error:
            raise type(error)(f"{self.builder.origin}: {error.message}", hint=error.hint) from error
        except NncostError:
            raise
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # A file may hold anything: what no check foresaw is still the file's fault, and is told as such.
            raise ShapeError(f"{self.builder.origin} does not fit its operands: {error}.") from error

    def _layer(self, node: Any) -> Location:
        name = printable(node.name)
        if not name:
            return self.builder.layer(node.op_type.lower() or "node")
        self._used_names[name] += 1
        if self._used_names[name] > 1:
            name = f"{name}.{self._used_names[name]}"
        return self.builder.scope(name)

    def _lowered(self, node: Any, values: list[Value | None]) -> list[Value] | None:
        """The outputs of a node that has a lowering; None for an unknown one."""
        domain = _domain(node)
        opset = self.opsets.get(domain)
        if opset is None:
            if not domain:
                raise SourceError("the file does not say which opset it uses.", hint="opset_import is missing.")
            return None
        lower = lowering_for(domain, node.op_type, opset)
        if lower is None or any(isinstance(value, Computed) and not value.certain for value in values):
            return None
        items = self.builder.items
        before = len(items)
        try:
            return _as_values(lower(Call(self, node, values, opset)))
        except NotImplementedError:  # Unlowered, or what a user's rule leaves unknown.
            # Scalar constants are shared with later layers, so they stay.
            items[before:] = [
                item for item in items[before:] if isinstance(item, Node) and isinstance(item.op, ops.Constant)
            ]
            return None

    def _unknown(self, node: Any, kind: str) -> list[Value]:
        """An Opaque with the shapes ONNX's own inference finds; its float constants are parameters still."""
        operands = self._operands(node)
        kept = [v for v in operands.values() if isinstance(v, Computed) or (isinstance(v, Stored) and v.learned)]
        tensors = [self.tensor(value, "other") for value in kept]
        types = self._output_types(node)
        opaque = ops.Opaque(kind, tuple(((), self.builder.dtype) if found is None else found for found in types))
        outputs = self.builder.emit_many(opaque, *tensors)
        return [Computed(t, found is not None) for t, found in zip(outputs, types, strict=True)]

    def _output_types(self, node: Any) -> list[ops.TensorType | None]:
        """Return the shape and type of each output as ONNX's own inference finds them; None if it does not."""
        certain = {n: v for n, v in self._operands(node).items() if not isinstance(v, Computed) or v.certain}
        return self._inference.types(node, certain)

    def output_shapes(self, node: Any) -> list[Shape | None]:
        """Return the shape of each output that ONNX's own inference finds or the file states, else None."""
        return [None if found is None else found[0] for found in self._output_types(node)]

    def kind_of(self, node: Any) -> str:
        """Return a node's operation, with its domain unless that is the default one."""
        return full_name(_domain(node), node.op_type)

    def _operands(self, node: Any) -> dict[str, Value]:
        names = dict.fromkeys((*(name for name in node.input if name), *captured_names(node)))
        return {name: self.value(name) for name in names if self._is_bound(name)}

    def _is_bound(self, name: str) -> bool:
        return name in self.names or name in self._initializers


def _as_values(lowered: Lowered) -> list[Value]:
    several = lowered if isinstance(lowered, tuple) else (lowered,)
    return [
        Absent("an output that its rule leaves out")
        if value is None
        else Computed(value)
        if isinstance(value, Tensor)
        else value
        for value in several
    ]


def _domain(node: Any) -> str:
    return "" if node.domain in DEFAULT_DOMAINS else str(node.domain)
