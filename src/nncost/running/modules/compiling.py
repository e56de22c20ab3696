"""From a graph to modules: items of one layer become one module, recognised layers PyTorch's own calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from nncost.dims import is_symbolic
from nncost.errors import SymbolError
from nncost.ir import ops
from nncost.ir.builder import outer_tensors
from nncost.ir.graph import Graph, Item, Node, Region, Tensor, walk
from nncost.running.batch_axes import Axes, batch_axes
from nncost.running.meaning import Constants, Meaning, meaning_of
from nncost.running.meaning.layers import Recurrent
from nncost.running.modules.core import dtype_of, function_of
from nncost.running.modules.functions import call_of
from nncost.running.modules.grouping import Segment, segments
from nncost.running.modules.layer import Fixed, Held, Layer, Loop, Operand, Step
from nncost.running.modules.leaves import Homes, Leaf
from nncost.running.modules.standard import standard_of
from nncost.running.modules.tree import Tree, free_name

Rename = Callable[[str], str]


@dataclass(slots=True)
class Compiler:
    """What all layers of one network share."""

    graph: Graph
    homes: Homes
    tree: Tree = field(default_factory=Tree)
    axes: Axes = field(default_factory=dict)
    uses: Counter[Tensor] = field(default_factory=Counter)

    def network(self) -> Layer:
        """The whole graph as a module. Raises SourceError for an operation that cannot be run."""
        self.axes = batch_axes(self.graph)
        _count_uses(self.graph.items, self.graph.outputs, self.uses)
        leaves = {parameter.tensor: Leaf(parameter) for parameter in self.graph.parameters}
        scope = Scope(self, self.tree.root, "", str, leaves, Constants(self.graph.items))
        scope.build(self.graph.items, self.graph.inputs, self.graph.outputs)
        for parameter in self.graph.parameters:
            if not any(leaf.parameter is parameter for leaf in self.homes.held):
                scope.home(Leaf(parameter))
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

    ``path`` is its layer's, ``rename`` gives the module's path for a layer's; ``leaves`` are the
    tensors that are parameters here.
    """

    compiler: Compiler
    module: nn.Module
    path: str
    rename: Rename
    leaves: dict[Tensor, Leaf]
    constants: Constants
    slots: dict[Tensor, int] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    count: int = 0
    spread: dict[Tensor, Tensor] = field(default_factory=dict)

    # ---------------------------------------------------------------- whole scopes
    def build(self, items: Sequence[Item], inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        """Compile items into the scope's module."""
        for tensor in inputs:
            self.slot(tensor)
        self.emit_all(items, outputs)
        kept = [self.operand(tensor) for tensor in outputs]
        steps = _needed(self.steps, kept)
        _free(steps, kept, len(inputs))
        cast("Layer", self.module).becomes(steps, self.count, kept)

    def emit_all(self, items: Sequence[Item], outputs: Sequence[Tensor]) -> None:
        """Steps for items in order: a module for each layer inside, calls for the rest."""
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
        needed = outer_tensors(piece.items, (), {t for node in walk(piece.items) for t in node.outputs})
        inputs = [tensor for tensor in needed if tensor not in self.leaves and self.constants.value(tensor) is None]
        module = self.compiler.tree.layer(target, path)
        if not isinstance(module, Layer) or module._steps:
            for item in piece.items:
                self.emit(item)
            return
        inner = Scope(self.compiler, module, path, self.rename, self.leaves, self.constants)
        inner.build(piece.items, inputs, outputs)
        self.step(module, [self.operand(tensor) for tensor in inputs], outputs)

    def standard(self, piece: Segment, outputs: Sequence[Tensor], target: str) -> bool:
        """Make a layer that is exactly one of PyTorch's modules that module."""
        items = [item for item in piece.items if not all(self._is_known(t) for t in item.outputs)]
        items = [item for item in items if not self._moves_leaf(item)]
        if len(items) != 1 or not isinstance(items[0], Region) or not self.compiler.tree.is_free(target):
            return False
        meaning = meaning_of(items[0], self.constants)
        found = None if meaning is None else standard_of(meaning)
        if meaning is None or found is None or not self._fits(found.parameters, piece.path):
            return False
        self.compiler.tree.place(target, cast("str", piece.path), found.module)
        for name, tensor in found.parameters.items():
            self.compiler.homes.settle(self.leaves[tensor], found.module, name)
        run: Any = found.module
        if isinstance(meaning, Recurrent):
            run = partial(_recurrent, found.module, tuple(t in outputs for t in items[0].outputs))
            outputs = [t for t in items[0].outputs if t in outputs]
        self.step(run, [self.operand(tensor) for tensor in found.operands], outputs)
        return True

    def _fits(self, parameters: Mapping[str, Tensor], path: str | None) -> bool:
        """Whether all parameters are leaves without a home, of this layer alone."""
        homes = self.compiler.homes.held
        leaves = [self.leaves.get(tensor) for tensor in parameters.values()]
        return all(leaf is not None and leaf not in homes and leaf.parameter.path == path for leaf in leaves)

    # ---------------------------------------------------------------- single items
    def emit(self, item: Item) -> None:
        """The step, or steps, of one item."""
        if all(self._is_known(tensor) for tensor in item.outputs) or self._moves_leaf(item):
            return
        if isinstance(item, Region):
            if not self.recognised(item):
                for inner in item.items:
                    self.emit(inner)
        elif isinstance(item.op, ops.Repeat):
            self.repeat(item, item.op)
        else:
            self.node(item)

    def recognised(self, region: Region) -> bool:
        """One call for a region that is a layer."""
        meaning: Meaning | None = meaning_of(region, self.constants)
        call = None if meaning is None else call_of(meaning)
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
            self.spread[node.outputs[0]] = node.inputs[0]
            self.constants.producers.setdefault(node.outputs[0], node)
            return
        run = function_of(node, self.compiler.axes)
        if isinstance(node.op, ops.Map) and any(t.rank and t not in self.spread for t in node.inputs):
            operands = [self.operand(self.narrow(tensor)) for tensor in node.inputs]
        else:
            operands = [self.operand(tensor) for tensor in node.inputs]
        self.step(run, operands, node.outputs)

    def narrow(self, tensor: Tensor) -> Tensor:
        """The tensor before it was broadcast."""
        while tensor in self.spread:
            tensor = self.spread[tensor]
        return tensor

    def repeat(self, node: Node, op: ops.Repeat) -> None:
        """A stack of layers is written out, a loop over values stays one."""
        if op.index is not None or is_symbolic(op.times):
            raise SymbolError(f"cannot run {op.times} repetitions.", hint="Bind the symbol, e.g. --set l=4.")
        scanned = node.inputs[op.carried : op.carried + op.scanned]
        if any(tensor in self.leaves for tensor in scanned):
            self.unrolled(node, op)
        else:
            self.loop(node, op)

    def unrolled(self, node: Node, op: ops.Repeat) -> None:
        """A module for each repetition, numbered behind the path of the Repeat."""
        times = cast("int", op.times)
        carried = [self.operand(tensor) for tensor in node.inputs[: op.carried]]
        collected: list[list[Operand]] = []
        order = range(times)
        for number in reversed(order) if op.reverse else order:
            results = self.iteration(node, op, number, carried)
            carried = results[: op.carried]
            collected.append(results[op.carried :])
        if op.reverse:
            collected.reverse()
        for tensor, operand in zip(node.outputs, carried, strict=False):
            self.step(_same, [operand], [tensor])
        for place, tensor in enumerate(node.outputs[op.carried :]):
            self.step(_stacked, [pile[place] for pile in collected], [tensor])

    def iteration(self, node: Node, op: ops.Repeat, number: int, carried: Sequence[Operand]) -> list[Operand]:
        """One repetition as a module of its own; gives the operands its outputs are in."""
        body, outer = op.body, node.inputs
        leaves: dict[Tensor, Leaf] = dict(self.leaves)
        inputs, operands = list(body.inputs[: op.carried]), list(carried)
        for place in range(op.carried, len(body.inputs)):
            inner, source = body.inputs[place], outer[place]
            is_slice = place < op.carried + op.scanned
            if source in self.leaves:
                leaves[inner] = self.leaves[source].inside(number) if is_slice else self.leaves[source]
                continue
            inputs.append(inner)
            operands.append(self.picked(source, number) if is_slice else self.operand(source))
        path = node.path
        rename = _numbered(self.rename, path, number + 1)
        module = self.compiler.tree.layer(rename(path), path)
        scope = Scope(self.compiler, module, path, rename, leaves, Constants(body.items))
        scope.build(body.items, inputs, body.outputs)
        fresh = [Tensor(tensor.shape, tensor.dtype) for tensor in body.outputs]
        self.step(module, operands, fresh)
        return [self.slots[tensor] for tensor in fresh]

    def picked(self, stack: Tensor, number: int) -> Operand:
        """One slice of a stacked value."""
        part = Tensor(stack.shape[1:], stack.dtype)
        self.step(partial(_picked, number), [self.operand(stack)], [part])
        return self.slots[part]

    def loop(self, node: Node, op: ops.Repeat) -> None:
        """One module whose body runs for each step."""
        body = op.body
        leaves = dict(self.leaves)
        inputs, sources = list(body.inputs[: op.carried + op.scanned]), list(node.inputs[: op.carried + op.scanned])
        for inner, source in zip(body.inputs[len(inputs) :], node.inputs[len(sources) :], strict=True):
            if source in self.leaves:
                leaves[inner] = self.leaves[source]
            else:
                inputs.append(inner)
                sources.append(source)
        layer = Layer()
        looped = Loop(layer, cast("int", op.times), op.carried, op.scanned, reverse=op.reverse)
        self.module.add_module(free_name(self.module, "loop"), looped)
        scope = Scope(self.compiler, layer, node.path, self.rename, leaves, Constants(body.items))
        for tensor in inputs:
            scope.slot(tensor)
        for item in body.items:
            scope.emit(item)
        kept = [scope.operand(tensor) for tensor in body.outputs]
        steps = _needed(scope.steps, kept)
        _free(steps, kept, len(inputs))
        layer.becomes(steps, scope.count, kept)
        self.step(looped, [self.operand(tensor) for tensor in sources], node.outputs)

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
        if tensor in self.leaves:
            return self.compiler.homes.held.get(self.leaves[tensor]) or self.home(self.leaves[tensor])
        if tensor in self.spread:
            source = self.spread[tensor]
            node = Node(ops.Broadcast(tensor.shape), (source,), (tensor,), self.path, "forward")
            self.step(function_of(node, self.compiler.axes), [self.operand(source)], [tensor])
            return self.slots[tensor]
        value = self.constants.value(tensor)
        assert value is not None, f"{self.path}: nothing produces {tensor}"
        return Fixed(value.item()) if value.ndim == 0 else self.buffer(value, tensor.dtype)

    def home(self, leaf: Leaf) -> Held:
        """Make a leaf a parameter of the module at its own layer's path."""
        path = leaf.parameter.path
        module = self.compiler.tree.layer(self.rename(path), path)
        return self.compiler.homes.settle(leaf, module, free_name(module, leaf.parameter.tensor.name))

    def buffer(self, value: Any, dtype: str) -> Operand:
        """A constant array, which moves with the module but is none of its state."""
        if np.ndim(value) == 0:
            return Fixed(value)
        name = free_name(self.module, "constant")
        array = torch.from_numpy(np.array(value))
        self.module.register_buffer(
            name, array.to(dtype_of(dtype)) if array.is_floating_point() else array, persistent=False
        )
        return Held(self.module, name, is_buffer=True)

    def _is_known(self, tensor: Tensor) -> bool:
        return tensor not in self.slots and tensor not in self.leaves and self.constants.value(tensor) is not None

    def _moves_leaf(self, item: Item) -> bool:
        """A reshape or transpose of a parameter that nothing else reads: the parameter is kept in that layout."""
        if isinstance(item, Region) or not isinstance(item.op, (ops.Reshape, ops.Transpose)):
            return False
        leaf = self.leaves.get(item.inputs[0])
        if item.outputs[0] in self.leaves:
            return True
        if leaf is None or self.compiler.uses[item.inputs[0]] != 1 or leaf in self.compiler.homes.held:
            return False
        self.leaves[item.outputs[0]] = leaf.moved(item.op)
        return True


def _outcomes(pieces: Sequence[Segment], outputs: Sequence[Tensor]) -> list[list[Tensor]]:
    """What later pieces, or the surrounding layer, read of each piece."""
    used, found = set(outputs), []
    for piece in reversed(pieces):
        nodes = list(walk(piece.items))
        found.append([tensor for node in nodes for tensor in node.outputs if tensor in used])
        used.update(tensor for node in nodes for tensor in node.inputs)
    return found[::-1]


def _numbered(rename: Rename, path: str, number: int) -> Rename:
    """Layers below a path as those of one repetition: ``repeat.1.dense.1`` in ``repeat.1.3.dense.1``."""
    above = rename(path)

    def renamed(name: str) -> str:
        if name == path or not path:
            return f"{above}.{number}.{name}".strip(".") if not path and name else f"{above}.{number}".strip(".")
        return f"{above}.{number}{name[len(path) :]}" if name.startswith(f"{path}.") else rename(name)

    return renamed


def _needed(steps: Sequence[Step], kept: Sequence[Operand]) -> list[Step]:
    """The steps that an output depends on."""
    wanted = {operand for operand in kept if isinstance(operand, int)}
    found: list[Step] = []
    for step in reversed(steps):
        if wanted.intersection(step.outputs):
            found.append(step)
            wanted.update(operand for operand in step.operands if isinstance(operand, int))
    return found[::-1]


def _free(steps: Sequence[Step], kept: Sequence[Operand], inputs: int) -> None:
    """Note behind which step each value is used no more."""
    seen = {operand for operand in kept if isinstance(operand, int)}
    for step in reversed(steps):
        touched = {o for o in (*step.operands, *step.outputs) if isinstance(o, int)} - seen
        step.dead = tuple(sorted(touched))
        seen |= touched


def _same(x: Any) -> Any:
    return x


def _stacked(*parts: Any) -> Any:
    return torch.stack(parts)


def _picked(number: int, stack: Any) -> Any:
    return stack[number]


def _recurrent(module: nn.Module, wanted: tuple[bool, ...], x: Any) -> Any:
    """Of the outputs and each direction's final hidden state, those that are wanted."""
    y, last = module(x)
    hidden = last[0] if isinstance(last, tuple) else last
    found = [value for value, is_wanted in zip((y, *hidden.unbind(0)), wanted, strict=True) if is_wanted]
    return found[0] if len(found) == 1 else found
