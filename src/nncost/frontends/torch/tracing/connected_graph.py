"""The connected graph of a logged run: every tensor one value, also where it was changed in place.

PyTorch's tensors share memory: a write through a view changes its base and all other views. Here
each memory has one value under way; views are taken of it when they are read, and a write to a view
puts its elements back into the value of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from nncost.dims import Shape
from nncost.frontends.torch.step.dispatch_table import written_to
from nncost.frontends.torch.step.fake_tensors import is_fake, tensors_in
from nncost.frontends.torch.step.symbolic_sizes import Sizes, plain
from nncost.frontends.torch.tracing.log import Entry
from nncost.frontends.torch.tracing.lower import dtype_name, emit, graph_tensors
from nncost.frontends.torch.tracing.view_ops import put_back, taken
from nncost.ir import ops
from nncost.ir.builder import Builder, no_gradient
from nncost.ir.graph import Graph, Parameter, Tensor
from nncost.ir.layers import Operation


@dataclass(slots=True, eq=False)
class _Memory:
    """A base tensor's value and how often it changed."""

    value: Tensor
    version: int = 0


@dataclass(slots=True, eq=False)
class _View:
    """How a tensor looks at another, and the value it had at some version of the memory."""

    entry: Entry
    parent: torch.Tensor
    place: int
    value: Tensor | None = None
    version: int = -1


class Connection:
    """Turns a log into one graph."""

    def __init__(
        self,
        parameters: Mapping[str, tuple[torch.Tensor, Parameter]],
        inputs: Sequence[torch.Tensor],
        sizes: Sizes | None = None,
    ) -> None:
        self.builder = Builder(training=True)
        self._sizes = sizes
        self._memories: dict[int, _Memory] = {}
        self._views: dict[int, _View] = {}
        self._learned: set[Tensor] = set()
        self._keep: list[torch.Tensor] = []
        self._in_functions: set[int] = set()
        for fake, parameter in parameters.values():
            self._memories[id(fake)] = _Memory(parameter.tensor)
            self._learned.add(parameter.tensor)
        for number, tensor in enumerate(inputs):
            value = self.builder.input(tuple(tensor.shape), dtype=dtype_name(tensor.dtype), name=f"input.{number}")
            self._memories[id(tensor)] = _Memory(value)

    def graph(self, log: Sequence[Entry], outputs: Sequence[torch.Tensor], parameters: Sequence[Parameter]) -> Graph:
        """The graph of everything logged, with the values of the given tensors as outputs."""
        self._in_functions = _in_functions(log)
        for entry in log:
            self._add(entry)
        results = tuple(self._read(tensor) for tensor in outputs)
        return Graph(tuple(self.builder.inputs), tuple(parameters), results, tuple(self.builder.items))

    # ---------------------------------------------------------------- entries
    def _add(self, entry: Entry) -> None:
        b = self.builder
        with b.at(entry.path, entry.phase):
            if entry.signature is None:
                for place, tensor in enumerate(tensors_in(entry.result)):
                    if tensor is not entry.args[0]:
                        self._views[id(tensor)] = _View(entry, entry.args[0], place)
                return
            arguments = {
                name: self._converted(value)
                for name, value in (*zip(entry.info.names, entry.args, strict=False), *entry.kwargs.items())
                if name != "out"
            }
            lowered = self._emitted(entry, arguments)
            written = tensors_in(written_to(entry.info, entry.args, entry.kwargs))
            for tensor, value in zip(written or tensors_in(entry.result), lowered, strict=False):
                if value is not None:
                    self._write(tensor, b.reshape(value, tuple(tensor.shape)))

    def _emitted(self, entry: Entry, arguments: Mapping[str, Any]) -> list[Tensor | None]:
        b = self.builder
        assert entry.signature is not None
        if entry.differentiable or id(entry) in self._in_functions:
            return emit(b, entry.signature, arguments, frozenset(self._learned))
        inputs = dict.fromkeys(graph_tensors(arguments.values()))
        with b.region(Operation("no_grad"), *inputs) as region:
            lowered = emit(b, entry.signature, arguments, frozenset(self._learned))
            region.returns(*(t for t in lowered if t is not None), gradient=no_gradient)
        return lowered

    def _converted(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self._read(value)
        if isinstance(value, (list, tuple)):
            return tuple(self._converted(item) for item in value)
        return plain(value, self._sizes)

    # ---------------------------------------------------------------- values
    def _memory(self, tensor: torch.Tensor) -> _Memory:
        """The memory behind a tensor; one nobody made before is a constant of the module."""
        view = self._views.get(id(tensor))
        if view is not None:
            return self._memory(view.parent)
        if id(tensor) not in self._memories:
            self._memories[id(tensor)] = _Memory(self.builder.emit(_constant(tensor)))
            self._keep.append(tensor)
        return self._memories[id(tensor)]

    def _read(self, tensor: torch.Tensor) -> Tensor:
        memory, view = self._memory(tensor), self._views.get(id(tensor))
        if view is None:
            return memory.value
        if view.value is None or view.version != memory.version:
            parent, shape = self._read(view.parent), tuple(tensor.shape)
            try:
                value = taken(self.builder, view.entry, parent, shape, view.place)
            except NotImplementedError:
                value = self._unknown(view.entry, shape, parent)
            if parent in self._learned:
                self._learned.add(value)
            view.value, view.version = value, memory.version
        return view.value

    def _write(self, tensor: torch.Tensor, value: Tensor) -> None:
        view = self._views.get(id(tensor))
        if view is None:
            memory = self._memories.setdefault(id(tensor), _Memory(value))
            memory.value = value
            memory.version += 1
            return
        parent = self._read(view.parent)
        try:
            whole = put_back(self.builder, view.entry, parent, value, view.place)
        except NotImplementedError:
            whole = self._unknown(view.entry, parent.shape, parent, value)
        self._write(view.parent, whole)
        view.value, view.version = value, self._memory(tensor).version

    def _unknown(self, entry: Entry, shape: Shape, *tensors: Tensor) -> Tensor:
        """A view that is no move of the graph's: an unknown operation."""
        return self.builder.emit(ops.Opaque(entry.info.name, ((shape, tensors[0].dtype),)), *tensors)


def _constant(tensor: torch.Tensor) -> ops.Constant:
    """A tensor's own numbers if they are known, as with ``torch.tensor(…)``; zeros stand for others."""
    shape, dtype = tuple(tensor.shape), dtype_name(tensor.dtype)
    if not is_fake(tensor):
        return ops.Constant("array", shape, dtype, tensor.tolist)
    return ops.Constant("fill", shape, dtype, 0.0)


def _in_functions(entries: Sequence[Entry]) -> set[int]:
    """The entries that ran without gradients inside a custom function, whose result has one all the same.

    The function's own backward is PyTorch's affair; here what it computed forward is differentiated.
    """
    found: set[int] = set()
    wanted: set[int] = set()
    for entry in reversed(entries):
        results = tensors_in(entry.result)
        reached = any(id(tensor) in wanted for tensor in results)
        if entry.signature is None:
            if reached:
                wanted.add(id(entry.args[0]))
        elif not entry.differentiable and (reached or any(tensor.grad_fn is not None for tensor in results)):
            found.add(id(entry))
            wanted.update(id(tensor) for tensor in tensors_in((entry.args, entry.kwargs)))
    return found
