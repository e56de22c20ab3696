"""The walk over the nodes of an ONNX graph: each is lowered, folded, or becomes an unknown operation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any

from nncost.dims import Dim, Shape, is_symbolic
from nncost.errors import NncostError, ShapeError, SourceError, SymbolError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.constants import Types
from nncost.frontends.onnx.folding import ConstantNode, constant_outputs, value_of
from nncost.frontends.onnx.functions import Functions
from nncost.frontends.onnx.lowering import FOLLOWS_BODIES, Lower, full_name, lowering_for
from nncost.frontends.onnx.scope import Scope
from nncost.frontends.onnx.size_names import dim_named
from nncost.frontends.onnx.sources import SOURCES
from nncost.frontends.onnx.stated import StatedTypes
from nncost.frontends.onnx.tensors import Tensors
from nncost.frontends.onnx.treatments import REFUSED
from nncost.frontends.onnx.values import (
    NOT_MADE,
    Absent,
    Array,
    Computed,
    Constant,
    Nothing,
    Once,
    TensorList,
    Unlowered,
    Value,
)
from nncost.ir import ops
from nncost.ir.builder import Builder, Location
from nncost.ir.dtypes import COMPLEX_DTYPES
from nncost.ir.evaluate import MAX_GIVEN_BYTES, NoValueError, Values
from nncost.ir.graph import Item, Node, Tensor
from nncost.names import printable

DEFAULT_DOMAINS = ("", "ai.onnx")
MAX_INNER_NODES = 200_000
"""Nodes of branches, loops that are written out and functions, each time that they are called."""
NO_RULE = "nncost has no rule for it"
_UNDECIDED = "truth value of Relational"
"""What SymPy says when a size that is a symbol is compared with a number."""
MAX_DEPTH = 64
"""Bodies and functions inside each other."""


class Translation:
    """The state of one walk: the graph under construction and what each name stands for.

    ``batch_was`` and ``batch_is`` say that the file's number of examples was replaced (see Reshape); ``file`` is
    the file's path, beside which others may hold its values; ``given`` are the caller's own arrays by tensor; ``trusting``: sizes that
    are equal for some values of their symbols are taken to be equal; ``iterations``: how often the body that is being
    written out is written out in all; ``written``: iterations that were written out of the outermost loop at this
    place and of those inside it, None outside of any.
    """

    def __init__(
        self,
        builder: Builder,
        model: Any,
        types: Types,
        opsets: Mapping[str, int],
        stated: StatedTypes,
        *,
        batch_was: int | None,
        batch_is: Dim,
        file: str,
        bindings: Mapping[str, int],
        trusting: bool = False,
    ) -> None:
        self.types, self.file = types, file
        self.batch_was, self.batch_is = batch_was, batch_is
        self.notes: dict[str, None] = {}
        self.bounded = False
        self.tensors = Tensors(builder)
        self.once = Once()
        self.scope = Scope(model.graph, types, file, opsets, once=self.once)
        self.given: dict[Tensor, Array] = {}
        self.made_symbols: set[str] = set()
        self.nested_outputs: dict[str, tuple[str, ...] | None] = {}
        self._bindings = bindings
        self.trusting = trusting
        self.trusted: list[tuple[str, Shape, Shape]] = []
        self._values: tuple[Builder, int, Values] | None = None
        self._scratch: Tensors | None = None
        self._functions = Functions(model.functions)
        self._stated = stated
        self._inner_nodes = 0
        self._depth = 0
        self.iterations = 1
        self.written: int | None = None

    @property
    def builder(self) -> Builder:
        """The builder that emits at this place."""
        return self.tensors.builder

    @contextmanager
    def emitting(self, tensors: Tensors) -> Iterator[None]:
        """Let nodes be emitted elsewhere for a while."""
        before, self.tensors = self.tensors, tensors
        try:
            yield
        finally:
            self.tensors = before

    def scratch(self) -> Tensors:
        """Tensors of a builder in which nothing was emitted yet, to compute constants in."""
        if self._scratch is None or self._scratch.builder.items:
            self._scratch = Tensors(Builder(), parameters=False)
        self._scratch.builder.dtype = self.builder.dtype
        return self._scratch

    def lowered_in(self, tensors: Tensors, lower: Lower, call: Call) -> list[Value]:
        """The outputs of a node under its lowering, emitted elsewhere."""
        with self.emitting(tensors):
            return self.lowered(lower, call)

    # ---------------------------------------------------------------- values
    def known_values(self, value: Value) -> Array:
        """The values of a constant, or of what the caller's own arrays decide. Raise NoValueError without any."""
        if isinstance(value, Constant):
            return value_of(self, value)
        if not isinstance(value, Computed) or not self.given:
            raise NoValueError("it depends on data")
        return self._computed_values().of(value.tensor)

    def _computed_values(self) -> Values:
        b = self.builder
        if self._values is None or self._values[0] is not b or self._values[1] > len(b.items):
            self._values = b, 0, Values(self.given, MAX_GIVEN_BYTES)
        _, seen, values = self._values
        if seen == 0:
            values.known.update(
                (p.tensor, p.read()) for p in b.parameters if p.read is not None and not is_symbolic(p.tensor.bytes)
            )
        values.add(b.items[seen:])
        self._values = b, len(b.items), values
        return values

    def outputs(self, names: Iterable[str]) -> dict[str, Tensor]:
        """The graph's outputs as tensors by name, the elements of a sequence under ``name.0``, ``name.1`` and so on.

        One that is not a tensor of numbers is an unknown operation.
        """
        found: dict[str, Tensor] = {}
        for name in names:
            self.builder.origin = f"the output {name!r}"
            if not self.scope.has(name):
                raise SourceError(f"the graph's output {name!r} is produced by no node.")
            value = self.scope.value(name)
            if isinstance(value, TensorList):
                parts = {f"{name}.{n}": self._output(item) for n, item in enumerate(value.items)}
                self.nested_outputs[name] = tuple(parts)
                found |= parts
            elif isinstance(value, Nothing):
                self.nested_outputs[name] = None
            else:
                found[name] = self._output(value)
        return found

    def _output(self, value: Value) -> Tensor:
        if isinstance(value, Absent):
            return self.builder.emit(ops.Opaque("output", (((), self.builder.dtype),), value.reason))
        return self.tensors.of(value, None)

    # ---------------------------------------------------------------- nodes
    def translate(self, node: Any) -> None:
        """Emit one node and bind its outputs. Raise an NncostError that names the node."""
        results = list(node.output)
        if bytes in map(type, (node.op_type, node.domain, node.name, *node.input, *results)):
            raise SourceError("a name in the file is not UTF-8 text; the file is damaged.")
        if not node.op_type:
            raise SourceError(
                f"a node does not say what it does: its outputs are {printable(', '.join(results)) or 'none'}."
            )
        if self._depth:
            self._run_inside(1)
        kind = self.kind_of(node)
        self.builder.origin = f"onnx.{kind} {printable(node.name or ', '.join(results))}".strip()
        try:
            values = [self.scope.value(name) if name else None for name in node.input]
            with self._layer(node):
                outputs = self._translated_outputs(node, kind, values)
                for name, value in zip_longest(results, outputs[: len(results)]):
                    if name:
                        made = value is not None and value is not NOT_MADE
                        self.scope.bind(name, value if made else self._missing(node, name, kind))
        except (ShapeError, SourceError, SymbolError) as error:
            if self._depth and error.message.startswith("onnx."):
                raise
            named = type(error)(f"{self.builder.origin}: {error.message}", hint=error.hint)
            if isinstance(named, ShapeError) and isinstance(error, ShapeError):
                named.sizes = error.sizes
            raise named from error
        except NncostError:
            raise
        except RecursionError:
            raise SourceError(f"{self.builder.origin}: the file's graphs lie too deep inside each other.") from None
        except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
            # A file may hold anything: what no check foresaw is still the file's fault, and is told as such.
            raise ShapeError(f"{self.builder.origin} does not fit its operands: {error}.") from error

    def _run_inside(self, nodes: int, *, ahead: bool = False) -> None:
        """Take nodes into account that lie in others. Raise SourceError if there are more than anyone writes."""
        total = self._inner_nodes + nodes
        if total > MAX_INNER_NODES:
            raise SourceError(f"its functions, branches and loops run more than {MAX_INNER_NODES:,} nodes.")
        self._inner_nodes = self._inner_nodes if ahead else total

    def _layer(self, node: Any) -> Location:
        name = printable(node.name)
        if not name:
            return self.builder.layer(node.op_type.lower() or "node")
        self.scope.layers[name] += 1
        if self.scope.layers[name] > 1:
            name = f"{name}.{self.scope.layers[name]}"
        return self.builder.scope(name)

    def _missing(self, node: Any, name: str, kind: str) -> Value:
        """An output that its lowering does not produce: unknown if anything reads it."""
        if name not in self.scope.used:
            return Absent(f"output {name!r} of {kind}, which nothing reads")
        found = self._stated.type_of(name) or ((), self.builder.dtype)
        opaque = ops.Opaque(kind, (found,), f"its output {printable(name)!r}")
        return Computed(self.builder.emit(opaque), self._stated.type_of(name) is not None)

    def _translated_outputs(self, node: Any, kind: str, values: list[Value | None]) -> list[Value]:
        domain = _domain(node)
        opset = self.scope.opsets.get(domain)
        local = self._functions.of_file(node)
        if local is not None:
            self._run_inside(self._functions.size(local), ahead=True)
            return self._inlined(local, node, values)
        if opset is None and not domain:
            raise SourceError("the file does not say which opset it uses.", hint="opset_import is missing.")
        lower = None if opset is None else lowering_for(domain, node.op_type, opset)
        if lower is None or opset is None:
            body = None if opset is None else self._functions.of_standard(domain, node.op_type, opset)
            if body is not None:
                return self._inlined(body, node, values)
            return self._unknown(node, kind, values, NO_RULE)
        try:
            return self._known_outputs(lower, Call(self, node, values, opset), values)
        except NotImplementedError as unknown:  # Unlowered, or what a user's rule leaves unknown.
            return self._unknown(node, kind, values, str(unknown))
        except TypeError as error:
            if _UNDECIDED not in str(error):
                raise
            return self._unknown(node, kind, values, "it depends on the value of a symbol")

    def _known_outputs(self, lower: Lower, call: Call, values: Sequence[Value | None]) -> list[Value]:
        """The outputs of a node that has a lowering. Raise NotImplementedError if it leaves them unknown."""
        operands = [value for value in values if value is not None]
        if any(isinstance(value, Computed) and not value.certain for value in operands):
            raise Unlowered("the shape of an operand is unknown")
        b = self.builder
        before, floats = len(b.items), b.dtype
        b.dtype = _working_type(operands) or floats
        try:
            if all(isinstance(value, Constant) for value in operands) and call.name not in FOLLOWS_BODIES:
                found = constant_outputs(ConstantNode(self, lower, call, b.path), operands)
                if found is not None:
                    return found
            return self.lowered(lower, call)
        except (NotImplementedError, TypeError):
            self.take_back(before)
            raise
        except (ShapeError, ArithmeticError, LookupError, ValueError) as misfit:
            if not self.bounded:
                raise
            self.take_back(before)
            raise Unlowered("the largest size that data may decide does not fit") from misfit
        finally:
            b.dtype = floats

    def take_back(self, before: int) -> None:
        """Drop what was emitted for a try that failed; constants may be shared with later layers, so they stay."""
        items, self._values = self.builder.items, None
        kept: list[Item] = []
        dropped: list[Item] = []
        for item in items[before:]:
            (kept if isinstance(item, Node) and isinstance(item.op, ops.Constant) else dropped).append(item)
        items[before:] = kept
        self.tensors.forget(dropped)

    def lowered(self, lower: Lower, call: Call) -> list[Value]:
        """The outputs of a node under its lowering; a tensor is an activation if it comes from one or from a parameter."""
        tensors = self.tensors
        before, tensors.used_parameter = tensors.used_parameter, False
        try:
            made = lower(call)
            inherits = tensors.used_parameter or any(
                isinstance(value, Computed) and value.activation for value in call.values
            )
        finally:
            tensors.used_parameter = before or tensors.used_parameter
        source = SOURCES.get(call.node.op_type, "")
        return [_as_value(value, inherits, source) for value in (made if isinstance(made, (tuple, list)) else (made,))]

    # ---------------------------------------------------------------- bodies and functions
    def named(self, name: str) -> Value:
        """What a name of the graph at this place stands for."""
        return self.scope.value(name)

    def is_used(self, name: str) -> bool:
        """Whether something reads a name of the graph at this place."""
        return bool(name) and name in self.scope.used

    def trust(self, shape: Shape, wanted: Shape) -> None:
        """Note that a shape is taken for another, which it is for some values of its symbols only."""
        self.trusted.append((printable(self.builder.path), shape, wanted))

    def named_size(self, name: str) -> Dim:
        """A symbol that the walk itself makes, or the number that the caller binds its name to."""
        self.made_symbols.add(name)
        return dim_named(name, self._bindings)

    def run_graph(self, graph: Any, values: Sequence[Value], name: str) -> list[Value]:
        """Translate a body with these inputs, in the scope of the node that holds it; its outputs."""
        inner = Scope(graph, self.types, self.file, self.scope.opsets, self.scope, once=self.once)
        if len(graph.input) != len(values):
            raise SourceError(f"its {name} has {len(graph.input)} inputs, for which {len(values)} values are given.")
        for formal, value in zip(graph.input, values, strict=True):
            inner.bind(formal.name, value)
        return self._run_in(inner, graph.node, [output.name for output in graph.output])

    def _inlined(self, function: Any, node: Any, values: list[Value | None]) -> list[Value]:
        """The outputs of a function of the file or of the standard, translated node by node."""
        opsets = self._functions.opsets(function, self.scope.opsets)
        inner = Scope(function, self.types, self.file, opsets, once=self.once)
        for formal, value in zip_longest(function.input, values[: len(function.input)]):
            inner.bind(formal, Nothing() if value is None else value)
        return self._run_in(inner, self._functions.nodes(function, node), list(function.output))

    def _run_in(self, scope: Scope, nodes: Iterable[Any], outputs: Sequence[str]) -> list[Value]:
        if self._depth >= MAX_DEPTH:
            raise SourceError(f"graphs and functions lie more than {MAX_DEPTH} deep inside each other.")
        before, self.scope = self.scope, scope
        origin, self._depth = self.builder.origin, self._depth + 1
        try:
            for node in nodes:
                self.translate(node)
            return [scope.value(name) for name in outputs]
        finally:
            self.scope, self._depth, self.builder.origin = before, self._depth - 1, origin

    # ---------------------------------------------------------------- unknown operations
    def _unknown(self, node: Any, kind: str, values: Sequence[Value | None], reason: str) -> list[Value]:
        """An Opaque with the shapes that the file states; its float constants are parameters still."""
        absent = [value.reason for value in values if isinstance(value, Absent)]
        if reason == NO_RULE:
            reason = absent[0] if absent else REFUSED.get(kind, reason)
        kept = [
            value for value in values
            if isinstance(value, Computed) or (isinstance(value, Constant) and value.shape and "float" in value.dtype)
        ]  # fmt: skip
        tensors = [self.tensors.of(value, "other") for value in kept]
        types = [self._stated.type_of(name) for name in node.output] or [None]
        opaque = ops.Opaque(
            kind, tuple(((), self.builder.dtype) if found is None else found for found in types), reason
        )
        outputs = self.builder.emit_many(opaque, *tensors)
        return [Computed(t, found is not None) for t, found in zip(outputs, types, strict=True)]

    def output_shapes(self, node: Any) -> list[Shape | None]:
        """Return the shape of each output that the file states, else None."""
        types = (self._stated.type_of(name) for name in node.output)
        return [None if found is None else found[0] for found in types]

    def kind_of(self, node: Any) -> str:
        """Return a node's operation, with its domain unless that is the default one."""
        return full_name(_domain(node), node.op_type)


def _as_value(value: Any, activation: bool, source: str) -> Value:
    if value is None:
        return NOT_MADE
    return Computed(value, activation=activation, source=source) if isinstance(value, Tensor) else value


def _working_type(operands: Sequence[Value]) -> str | None:
    """The type that a node computes in: that of its first float operand, else of its first number."""
    types = [value.dtype for value in operands if value.dtype not in ("", "bool") and value.dtype not in COMPLEX_DTYPES]
    return next((dtype for dtype in types if "float" in dtype), types[0] if types else None)


def _domain(node: Any) -> str:
    return "" if node.domain in DEFAULT_DOMAINS else str(node.domain)
