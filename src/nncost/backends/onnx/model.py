"""``onnx_bytes``: a graph with its values as an ONNX model for inference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from nncost.backends.constants import Constants
from nncost.backends.initial_values import shape_of
from nncost.backends.onnx.core_ops import emit
from nncost.backends.onnx.emitter import Emitter, element_type, numpy_type
from nncost.backends.onnx.layers import LayerWriter, emit_layer
from nncost.dims import is_symbolic
from nncost.errors import MissingExtraError, SourceError, SymbolError
from nncost.ir import ops
from nncost.ir.batch_axes import Axes, batch_axes
from nncost.ir.graph import Graph, Item, Node, Parameter, Region, Tensor

Array = Any
BATCH = "batch"
MAX_UNROLLED = 10_000
"""Repetitions that are written out; ONNX's own loops are read by few programs."""


def onnx_bytes(graph: Graph, values: Mapping[Parameter, Array], *, name: str = "network") -> bytes:
    """The forward graph in inference mode as an ONNX model, whatever mode the graph was built in.

    The first axis of the inputs is the dynamic size ``batch``. Raise SourceError for an operation that
    ONNX has no form of, SymbolError for a size without a number, MissingExtraError without ``onnx``.
    """
    try:
        import onnx
    except ImportError:
        raise MissingExtraError("writing an .onnx file", "onnx", "onnx") from None
    _check(graph, values)
    dtype = next((p.tensor.dtype for p in graph.parameters if "float" in p.tensor.dtype), graph.outputs[0].dtype)
    emitter, axes = Emitter(dtype), batch_axes(graph)
    inputs = [_described(tensor, emitter.name(tensor.name or "input"), axes) for tensor in graph.inputs]
    names = {tensor: value.name for tensor, value in zip(graph.inputs, inputs, strict=True)}
    parameters: dict[Tensor, Array] = {p.tensor: np.asarray(values[p]) for p in graph.parameters}
    labels = {p.tensor: p.name for p in graph.parameters}
    writer = Writer(emitter, axes, names, parameters, labels, Constants(graph.items))
    writer.write(graph.items)
    outputs = [
        _described(tensor, emitter.node("Identity", [writer.name(tensor)], path="output"), axes)
        for tensor in graph.outputs
    ]
    emitter.prune([output.name for output in outputs])
    written = onnx.helper.make_graph(emitter.nodes, name, inputs, outputs, emitter.initializers)
    opsets = [onnx.helper.make_opsetid("", emitter.opset)]
    model = onnx.helper.make_model(written, opset_imports=opsets, producer_name="nncost")
    model.ir_version = onnx.helper.find_min_ir_version_for(opsets)
    return cast("bytes", model.SerializeToString())


def _check(graph: Graph, values: Mapping[Parameter, Array]) -> None:
    for tensor in (*graph.inputs, *graph.outputs):
        for dim in tensor.shape:
            if is_symbolic(dim):
                raise SymbolError(
                    f"cannot write a network whose size {dim} is a symbol.", hint="Bind it, e.g. --symbol h=128."
                )
    for parameter in graph.parameters:
        if parameter not in values or np.shape(values[parameter]) != shape_of(parameter):
            raise SourceError(f"{parameter.name} has no values of its shape {shape_of(parameter)}.")


def _described(tensor: Tensor, name: str, axes: Axes) -> Any:
    from onnx import helper

    free = axes.get(tensor)
    sizes: list[int | str | None] = [cast("int", dim) for dim in tensor.shape]
    if free is not None:
        sizes[free] = BATCH if free == 0 else None
    return helper.make_tensor_value_info(name, element_type(tensor.dtype), sizes)


@dataclass(slots=True)
class Writer:
    """The names of a graph's tensors while it is written; ``parameters`` are parameters, or their slices, by value."""

    e: Emitter
    axes: Axes
    names: dict[Tensor, str]
    parameters: dict[Tensor, Array]
    labels: dict[Tensor, str]
    constants: Constants
    broadcasts: dict[Tensor, Tensor] = field(default_factory=dict)

    def write(self, items: Sequence[Item]) -> None:
        """Items in order."""
        for item in items:
            self.item(item)

    def item(self, item: Item) -> None:
        """A layer as one operator if there is one, else its items."""
        if all(self._is_known(tensor) for tensor in item.outputs):
            return
        if isinstance(item, Region):
            self.region(item)
        elif isinstance(item.op, ops.Repeat):
            self.repeat(item, item.op)
        else:
            self.node(item)

    def region(self, region: Region) -> None:
        """A layer as one operator, or the items of one that has none."""
        found = emit_layer(LayerWriter(self.e, self.name, self.value, region.path), region, self.constants)
        if found is None:
            self.write(region.items)
        else:
            self.names.update(zip(region.outputs, found, strict=True))

    def node(self, node: Node) -> None:
        """One core operation; elementwise ones broadcast by themselves."""
        if isinstance(node.op, ops.Broadcast):
            self.broadcasts[node.outputs[0]] = node.inputs[0]
            return
        narrow = isinstance(node.op, ops.Map) and any(t.rank and t not in self.broadcasts for t in node.inputs)
        inputs = [self.name(self._narrow(tensor) if narrow else tensor) for tensor in node.inputs]
        self.names.update(zip(node.outputs, emit(self.e, node, inputs, self.axes), strict=True))

    def _narrow(self, tensor: Tensor) -> Tensor:
        while tensor in self.broadcasts:
            tensor = self.broadcasts[tensor]
        return tensor

    def repeat(self, node: Node, op: ops.Repeat) -> None:
        """Written out, one copy of the body per repetition."""
        if is_symbolic(op.times) or op.index is not None or cast("int", op.times) > MAX_UNROLLED:
            raise SourceError(f"{node.path}: {op.times} repetitions are not written to ONNX, at most {MAX_UNROLLED:,}.")
        carried = [self.name(tensor) for tensor in node.inputs[: op.carried]]
        collected: list[list[str]] = []
        order = range(cast("int", op.times))
        for number in reversed(order) if op.reverse else order:
            results = self._iteration(node, op, number, carried)
            carried = results[: op.carried]
            collected.append([self.e.node("Unsqueeze", [r, self.e.integers([0])]) for r in results[op.carried :]])
        if op.reverse:
            collected.reverse()
        stacks = [self.e.node("Concat", pile, path=node.path, axis=0) for pile in zip(*collected, strict=True)]
        self.names.update(zip(node.outputs, [*carried, *stacks], strict=True))

    def _iteration(self, node: Node, op: ops.Repeat, number: int, carried: Sequence[str]) -> list[str]:
        names: dict[Tensor, str] = dict(zip(op.body.inputs, carried, strict=False))
        parameters, labels = dict(self.parameters), dict(self.labels)
        for position in range(op.carried, len(op.body.inputs)):
            inner, source = op.body.inputs[position], node.inputs[position]
            is_slice = position < op.carried + op.scanned
            if source in self.parameters and is_slice:
                parameters[inner] = self.parameters[source][number]
                labels[inner] = f"{self.labels[source]}.{number + 1}"
            elif is_slice:
                index = self.e.scalar(number, "int64")
                names[inner] = self.e.node("Gather", [self.name(source), index], path=node.path, axis=0)
            else:
                names[inner] = self.name(source)
        inner_writer = Writer(self.e, self.axes, names, parameters, labels, Constants(op.body.items))
        inner_writer.write(op.body.items)
        return [inner_writer.name(tensor) for tensor in op.body.outputs]

    def name(self, tensor: Tensor) -> str:
        """The name of a tensor's value; parameters and constants are written when they are first used."""
        if tensor in self.names:
            return self.names[tensor]
        if tensor in self.broadcasts:
            node = Node(ops.Broadcast(tensor.shape), (self.broadcasts[tensor],), (tensor,), "", "forward")
            found = emit(self.e, node, [self.name(self.broadcasts[tensor])], self.axes)[0]
        elif tensor in self.parameters:
            found = self.e.array(self.parameters[tensor].astype(numpy_type(tensor.dtype)), self.labels[tensor])
        else:
            value = self.constants.value(tensor)
            assert value is not None, f"nothing produces {tensor}"
            found = self._constant(value, tensor)
        self.names[tensor] = found
        return found

    def value(self, tensor: Tensor) -> Array:
        """A parameter's numbers; None for what is computed, or is in the file already."""
        return None if tensor in self.names else self.parameters.get(tensor)

    def _constant(self, value: Array, tensor: Tensor) -> str:
        """A constant by value; whole numbers as integers, so that readers do not take them for a parameter."""
        array = np.asarray(value).astype(numpy_type(tensor.dtype))
        if array.ndim == 0:
            return self.e.scalar(array.item(), tensor.dtype)
        if array.dtype.kind != "f" or not np.array_equal(array, np.trunc(array)) or not np.isfinite(array).all():
            return self.e.array(array, "constant")
        whole = self.e.array(array.astype(np.int64), "constant")
        return self.e.node("Cast", [whole], to=element_type(tensor.dtype))

    def _is_known(self, tensor: Tensor) -> bool:
        return tensor not in self.parameters and self.constants.value(tensor) is not None
