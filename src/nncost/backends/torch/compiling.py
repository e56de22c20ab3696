"""From a graph to modules: items of one layer become one module, recognised layers PyTorch's own calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import Any, cast

import numpy as np
from torch import nn

from nncost.backends.constants import Constants
from nncost.backends.torch.core_ops import dtype_of, function_of, tensor_of
from nncost.backends.torch.functions import call_of
from nncost.backends.torch.grouping import Segment, segments
from nncost.backends.torch.layer import Fixed, Layer, ModuleTensor, Operand, Step
from nncost.backends.torch.liveness import free, needed
from nncost.backends.torch.nn_modules import standard_of
from nncost.backends.torch.parameter_map import ParameterMap, ParameterView, Rows, joined
from nncost.backends.torch.tree import Rename, Tree, free_name
from nncost.ir import ops
from nncost.ir.batch_axes import Axes, batch_axes
from nncost.ir.builder import outer_tensors
from nncost.ir.graph import Graph, Item, Node, Region, Tensor, walk
from nncost.ir.layers import Recurrent


@dataclass(slots=True)
class Compiler:
    """What all layers of one network share; ``repeat`` gives a scope the steps of a Repeat."""

    graph: Graph
    parameter_map: ParameterMap
    repeat: Callable[[Scope, Node, ops.Repeat], None]
    tree: Tree = field(default_factory=Tree)
    axes: Axes = field(default_factory=dict)
    uses: Counter[Tensor] = field(default_factory=Counter)

    def network(self) -> Layer:
        """The whole graph as a module. Raise SourceError for an operation that cannot be run."""
        self.axes = batch_axes(self.graph)
        _count_uses(self.graph.items, self.graph.outputs, self.uses)
        parameters = {parameter.tensor: ParameterView(parameter) for parameter in self.graph.parameters}
        scope = Scope(self, self.tree.root, "", str, parameters, Constants(self.graph.items))
        scope.build(self.graph.items, self.graph.inputs, self.graph.outputs)
        for parameter in self.graph.parameters:
            if not any(view.parameter is parameter for view in self.parameter_map.tensors):
                scope.register(ParameterView(parameter))
        return self.tree.root


def _count_uses(items: Sequence[Item], outputs: Sequence[Tensor], uses: Counter[Tensor]) -> None:
    for node in walk(items):
        uses.update(node.inputs)
        if isinstance(node.op, ops.Repeat):
            _count_uses(node.op.body.items, node.op.body.outputs, uses)
    uses.update(outputs)


@dataclass(slots=True)
class Scope:
    """One module under construction: the slots of its values and the steps between them.

    ``path`` is its layer's, ``rename`` gives the module's path for a layer's; ``parameters`` are the
    tensors that are parameters here.
    """

    compiler: Compiler
    module: nn.Module
    path: str
    rename: Rename
    parameters: dict[Tensor, ParameterView]
    constants: Constants
    slots: dict[Tensor, int] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    count: int = 0
    broadcasts: dict[Tensor, Tensor] = field(default_factory=dict)

    # ---------------------------------------------------------------- whole scopes
    def build(
        self, items: Sequence[Item], inputs: Sequence[Tensor], outputs: Sequence[Tensor], *, flat: bool = False
    ) -> None:
        """Compile items into the scope's module; with ``flat``, without modules for the layers inside."""
        for tensor in inputs:
            self.slot(tensor)
        if flat:
            for item in items:
                self.emit(item)
        else:
            self.emit_all(items, outputs)
        kept = [self.operand(tensor) for tensor in outputs]
        steps = needed(self.steps, kept)
        free(steps, kept)
        cast("Layer", self.module).set_steps(steps, self.count, kept)

    def emit_all(self, items: Sequence[Item], outputs: Sequence[Tensor]) -> None:
        """Steps for items in order: a module per layer inside, calls for the rest."""
        pieces = segments(items, self.path)
        for piece, wanted in zip(pieces, _outcomes(pieces, outputs), strict=True):
            if piece.path is not None:
                self.child(piece, wanted)
                continue
            for item in piece.items:
                self.emit(item)

    def child(self, piece: Segment, outputs: Sequence[Tensor]) -> None:
        """A module for a layer inside this one, and the step that calls it."""
        if all(self._is_known(tensor) for tensor in outputs):
            return
        path = cast("str", piece.path)
        target = self.rename(path)
        if self.standard(piece, outputs, target):
            return
        read = outer_tensors(piece.items, (), {t for node in walk(piece.items) for t in node.outputs})
        inputs = [tensor for tensor in read if tensor not in self.parameters and self.constants.value(tensor) is None]
        module = self.compiler.tree.layer(target, path)
        if not isinstance(module, Layer) or module._steps:
            for item in piece.items:
                self.emit(item)
            return
        self.inner(module, path, self.parameters, self.constants).build(piece.items, inputs, outputs)
        self.step(module, [self.operand(tensor) for tensor in inputs], outputs)

    def standard(self, piece: Segment, outputs: Sequence[Tensor], target: str) -> bool:
        """Make a layer one of PyTorch's modules if it is exactly that."""
        items = [item for item in piece.items if not all(self._is_known(t) for t in item.outputs)]
        items = [item for item in items if not self._moves_parameter(item)]
        if len(items) != 1 or not isinstance(items[0], Region) or not self.compiler.tree.is_free(target):
            return False
        found = standard_of(items[0], self.constants)
        if found is None or not self._fits(found.parameters, piece.path):
            return False
        self.compiler.tree.place(target, cast("str", piece.path), found.module)
        for name, tensor in found.parameters.items():
            self.compiler.parameter_map.register(self.parameters[tensor], found.module, name)
        run: Any = found.module
        if isinstance(items[0].layer, Recurrent):
            run = partial(_recurrent, found.module, tuple(t in outputs for t in items[0].outputs))
            outputs = [t for t in items[0].outputs if t in outputs]
        self.step(run, [self.operand(tensor) for tensor in found.operands], outputs)
        return True

    def _fits(self, parameters: Mapping[str, Tensor], path: str | None) -> bool:
        """Whether all parameters are of this layer only and in no module yet."""
        registered = self.compiler.parameter_map.tensors
        views = [self.parameters.get(tensor) for tensor in parameters.values()]
        return all(view is not None and view not in registered and view.parameter.path == path for view in views)

    # ---------------------------------------------------------------- single items
    def emit(self, item: Item) -> None:
        """The step, or steps, of one item."""
        if all(self._is_known(tensor) for tensor in item.outputs) or self._moves_parameter(item):
            return
        if isinstance(item, Region):
            if not self.recognised(item):
                for inner in item.items:
                    self.emit(inner)
        elif isinstance(item.op, ops.Repeat):
            self.compiler.repeat(self, item, item.op)
        else:
            self.node(item)

    def recognised(self, region: Region) -> bool:
        """One call for a region that is a layer."""
        call = call_of(region, self.constants)
        if call is None:
            return False
        operands: list[Operand] = [Fixed(None) if t is None else self.operand(t) for t in call.operands]
        dtype = region.outputs[0].dtype
        operands += [self.buffer(constant, dtype) for constant in call.constants]
        self.step(call.run, operands, region.outputs, asks_mode=call.asks_mode)
        return True

    def node(self, node: Node) -> None:
        """One core operation; a broadcast is left to the elementwise operations that read it."""
        if isinstance(node.op, ops.Broadcast):
            self.broadcasts[node.outputs[0]] = node.inputs[0]
            self.constants.producers.setdefault(node.outputs[0], node)
            return
        run = function_of(node, self.compiler.axes)
        if isinstance(node.op, ops.Map) and any(t.rank and t not in self.broadcasts for t in node.inputs):
            operands = [self.operand(self.narrow(tensor)) for tensor in node.inputs]
        else:
            operands = [self.operand(tensor) for tensor in node.inputs]
        self.step(run, operands, node.outputs)

    def narrow(self, tensor: Tensor) -> Tensor:
        """The tensor before it was broadcast."""
        while tensor in self.broadcasts:
            tensor = self.broadcasts[tensor]
        return tensor

    def inner(
        self,
        module: nn.Module,
        path: str,
        parameters: dict[Tensor, ParameterView],
        constants: Constants,
        rename: Rename | None = None,
    ) -> Scope:
        """A scope for a module inside this one."""
        return Scope(self.compiler, module, path, rename or self.rename, parameters, constants)

    # ---------------------------------------------------------------- values
    def slot(self, tensor: Tensor) -> int:
        """A new slot for a tensor."""
        self.slots[tensor] = self.count
        self.count += 1
        return self.slots[tensor]

    def step(
        self,
        run: Callable[..., Any],
        operands: Sequence[Operand],
        outputs: Sequence[Tensor],
        *,
        asks_mode: bool = False,
    ) -> None:
        """Append a call and give its outputs slots."""
        self.steps.append(Step(run, tuple(operands), tuple(self.slot(tensor) for tensor in outputs), asks_mode))

    def operand(self, tensor: Tensor) -> Operand:
        """Where a tensor's value is: a slot, a parameter, or a constant."""
        if tensor in self.slots:
            return self.slots[tensor]
        if tensor in self.parameters:
            view = self.parameters[tensor]
            return self.compiler.parameter_map.tensors.get(view) or self.register(view)
        if tensor in self.broadcasts:
            source = self.broadcasts[tensor]
            node = Node(ops.Broadcast(tensor.shape), (source,), (tensor,), self.path, "forward")
            self.step(function_of(node, self.compiler.axes), [self.operand(source)], [tensor])
            return self.slots[tensor]
        value = self.constants.value(tensor)
        assert value is not None, f"{self.path}: nothing produces {tensor}"
        return Fixed(value.item()) if value.ndim == 0 else self.buffer(value, tensor.dtype)

    def register(self, view: ParameterView) -> ModuleTensor:
        """Make what a view shows a parameter of the module at its own layer's path."""
        path = view.parameter.path
        module = self.compiler.tree.layer(self.rename(path), path)
        return self.compiler.parameter_map.register(view, module, free_name(module, view.parameter.tensor.name))

    def buffer(self, value: Any, dtype: str) -> Operand:
        """A constant array, which moves with the module but is none of its state."""
        if np.ndim(value) == 0:
            return Fixed(value)
        name = free_name(self.module, "constant")
        array = tensor_of(value)
        self.module.register_buffer(
            name, array.to(dtype_of(dtype)) if array.is_floating_point() else array, persistent=False
        )
        return ModuleTensor(self.module, name, is_buffer=True)

    def _is_known(self, tensor: Tensor) -> bool:
        return tensor not in self.slots and tensor not in self.parameters and self.constants.value(tensor) is not None

    def _moves_parameter(self, item: Item) -> bool:
        """A move of a parameter that nothing else reads: the parameter is kept in that layout."""
        if isinstance(item, Region):
            return False
        if all(output in self.parameters for output in item.outputs):
            return True
        views = [self.parameters.get(tensor) for tensor in item.inputs]
        uses = self.compiler.uses
        alone = all(uses[tensor] == 1 for tensor in item.inputs) and all(uses[output] for output in item.outputs)
        free_views = [view for view in views if view is not None and view not in self.compiler.parameter_map.tensors]
        if not views or not alone or len(free_views) != len(views):
            return False
        found = _moved(item.op, free_views)
        if found is None:
            return False
        self.parameters.update(zip(item.outputs, found, strict=True))
        return True


def _moved(op: ops.Op, views: Sequence[ParameterView]) -> list[ParameterView] | None:
    """The views that a move of parameters gives; None for an operation that computes, or joins different ones."""
    match op:
        case ops.Reshape() | ops.Transpose():
            return [views[0].moved(op)]
        case ops.Split(axis=0, sizes=sizes):
            stops = list(accumulate(cast("tuple[int, ...]", sizes)))
            return [views[0].moved(Rows((part,))) for part in zip([0, *stops], stops, strict=False)]
        case ops.Concat(axis=0):
            whole = joined(views)
            return None if whole is None else [whole]
        case _:
            return None


def _outcomes(pieces: Sequence[Segment], outputs: Sequence[Tensor]) -> list[list[Tensor]]:
    """What later pieces, or the surrounding layer, read of each piece."""
    used, found = set(outputs), []
    for piece in reversed(pieces):
        nodes = list(walk(piece.items))
        found.append([tensor for node in nodes for tensor in node.outputs if tensor in used])
        used.update(tensor for node in nodes for tensor in node.inputs)
    return found[::-1]


def _recurrent(module: nn.Module, wanted: tuple[bool, ...], x: Any) -> Any:
    """Of the outputs and each direction's final states, those that are wanted."""
    y, last = module(x)
    hidden = last[0] if isinstance(last, tuple) else last
    cells = last[1].unbind(0) if isinstance(last, tuple) else ()
    found = [value for value, is_wanted in zip((y, *hidden.unbind(0), *cells), wanted, strict=True) if is_wanted]
    return found[0] if len(found) == 1 else found
