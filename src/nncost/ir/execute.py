"""Run a graph with NumPy: prepared once, run often, on floats or on any scalar objects, such as ones that count themselves.

The graph that is counted is the graph that is run: a program has all its nodes, in its order. Constants are
computed while it is prepared; a value is let go after its last use, so that memory is what the graph's liveness
says. ``tests/proof`` runs programs on scalars that record their own operations, which proves every count.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from nncost.ir import ops
from nncost.ir.elementary import ARRAYS, PLAIN_ARRAYS
from nncost.ir.free import folds
from nncost.ir.graph import Graph, Item, Node, Region, Tensor, walk
from nncost.ir.numpy_calls import Array, ArrayCall, call_of, integers, results_of, widened
from nncost.ir.numpy_types import numpy_dtype
from nncost.records import record, replace

RandomSource = Callable[[tuple[int, ...]], Array]
Environment = dict[Tensor, Array]


@record
class Instruction:
    """One call: its node, the slots it reads and writes, and those that nobody reads afterwards."""

    node: Node
    call: ArrayCall
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    last_uses: tuple[int, ...] = ()


@dataclass(slots=True)
class Program:
    """A graph as NumPy calls on numbered slots.

    ``constants`` are slots with the values that are there before the first instruction, ``settings`` the slots of
    named constants that a run may set anew, ``results`` the slots of the tensors that a run returns.
    """

    dtype: str | None
    slots: dict[Tensor, int] = field(default_factory=dict)
    instructions: list[Instruction] = field(default_factory=list)
    constants: list[tuple[int, Array]] = field(default_factory=list)
    settings: dict[str, list[int]] = field(default_factory=dict)
    results: dict[Tensor, int] = field(default_factory=dict)

    def run(self, feeds: Mapping[Tensor, Array], settings: Mapping[str, float] | None = None) -> Environment:
        """The results with their values; ``feeds`` are the inputs and parameters, ``settings`` the named constants."""
        values: list[Array] = [None] * len(self.slots)
        for slot, constant in self.constants:
            values[slot] = constant
        for tensor, array in feeds.items():
            values[self.slots[tensor]] = array
        for name, value in (settings or {}).items():
            for slot in self.settings.get(name, ()):
                values[slot] = np.asarray(value, dtype=self.dtype or "float32")
        for step in self.instructions:
            result = step.call(*[values[slot] for slot in step.reads])
            if len(step.writes) == 1:
                values[step.writes[0]] = result
            else:
                for slot, part in zip(step.writes, result, strict=True):
                    values[slot] = part
            for slot in step.last_uses:
                values[slot] = None
        return {tensor: values[slot] for tensor, slot in self.results.items()}


def execute(
    graph: Graph,
    feeds: Mapping[Tensor, Array],
    *,
    random: RandomSource | None = None,
    dtype: str = "float64",
    observe: Callable[[Node], None] | None = None,
    lift: Callable[[Array], Array] | None = None,
) -> Environment:
    """Run a graph once and return every tensor of it with its value, bodies of Repeat left out.

    ``feeds`` give the inputs and parameters; ``random(shape)`` supplies uniform numbers;
    ``dtype`` is the type of floating-point constants; ``observe`` is called with each node before it runs,
    in bodies of Repeat too, constants left out; ``lift`` turns plain numbers in an object array (the zeros of a
    padding or of a closed ReLU) into scalars like the others. The feeds are not written to.
    Raise SymbolError for a size that is a symbol, NotImplementedError for an operation that can only be counted.
    """
    draw = random if random is not None else np.random.default_rng(0).random
    program = _Preparation(dtype, draw, observe, lift).program(graph, keep_all=True)
    values = program.run({tensor: array for tensor, array in feeds.items() if tensor in program.slots})
    return {**feeds, **{tensor: np.asarray(value) for tensor, value in values.items() if value is not None}}


def prepare(
    graph: Graph, random: RandomSource, *, dtype: str | None = "float32", update_buffers: bool = False
) -> Program:
    """Prepare a graph to be run often; a run returns its outputs.

    ``random(shape)`` gives uniform numbers at each run, ``dtype`` is the type of floating-point constants; None leaves
    each number the type that the graph declares, sums of half floats being taken in single precision. With
    ``update_buffers`` a run writes running averages into the arrays that were fed for their buffers.
    Raise as :func:`execute`.
    """
    return _Preparation(dtype, random, update_buffers=update_buffers).program(graph)


def constants_of(
    items: Sequence[Item], dtype: str = "float64", known: Mapping[Tensor, Array] | None = None
) -> Environment:
    """Return the tensors that depend only on constants and on ``known`` ones, with their values; loops stay closed."""
    found: Environment = dict(known or {})
    for node in walk(items):
        if folds(node, found) and not isinstance(node.op, (ops.Repeat, ops.Algorithm)):
            _fold(node, call_of(node.op, dtype), found)
    return found


def node_call(node: Node, functions: Any = ARRAYS) -> ArrayCall:
    """The call of one node in the types that it declares; ``functions`` compute its elements. Raise as :func:`execute`."""
    if functions is ARRAYS:
        return _Preparation(None, np.random.default_rng(0).random).call(node)
    return call_of(node.op, None, functions)


def _fold(node: Node, call: ArrayCall, known: Environment) -> None:
    results = results_of(call, [known[tensor] for tensor in node.inputs], len(node.outputs))
    known.update(zip(node.outputs, map(np.asarray, results), strict=True))


@record
class _Preparation:
    """What all programs of one graph and of the bodies in it share; see :func:`execute`."""

    dtype: str | None
    random: RandomSource
    observe: Callable[[Node], None] | None = None
    lift: Callable[[Array], Array] | None = None
    update_buffers: bool = False

    def program(self, graph: Graph, *, keep_all: bool = False) -> Program:
        """The program of a graph; with ``keep_all`` a run returns every tensor."""
        program = Program(self.dtype)
        slots, fed = program.slots, (*graph.inputs, *(parameter.tensor for parameter in graph.parameters))
        for tensor in fed:
            slots.setdefault(tensor, len(slots))
        known: Environment = {}
        named: Environment = {}
        for node in _nodes(graph.items, update_buffers=self.update_buffers):
            for tensor in (*node.inputs, *node.outputs):
                slots.setdefault(tensor, len(slots))
            if isinstance(node.op, ops.Constant) and node.op.name:
                program.settings.setdefault(node.op.name, []).append(slots[node.outputs[0]])
                _fold(node, self.call(node), named)
            elif folds(node, known):
                _fold(node, replace(self, observe=None, lift=None).call(node), known)
            else:
                reads, writes = (tuple(slots[t] for t in tensors) for tensors in (node.inputs, node.outputs))
                program.instructions.append(Instruction(node, self.watched(node), reads, writes))
        program.results = dict(slots) if keep_all else {tensor: slots[tensor] for tensor in graph.outputs}
        before = known | named
        needed = {*program.results.values(), *(slot for step in program.instructions for slot in step.reads)}
        program.constants = [(slots[tensor], array) for tensor, array in before.items() if slots[tensor] in needed]
        _note_last_uses(program, {*program.results.values(), *(slots[tensor] for tensor in (*before, *fed))})
        return program

    def watched(self, node: Node) -> ArrayCall:
        """The call of a node, observed before it runs and lifted after it, if that is asked for."""
        call = self.call(node)
        call = call if self.lift is None else _lifted(node, call, self.lift)
        return call if self.observe is None else _observed(node, call, self.observe)

    def call(self, node: Node) -> ArrayCall:
        """The call of a node."""
        op = node.op
        if isinstance(op, _Store):
            return _store
        if isinstance(op, ops.Random):
            seeded = self.random if op.seed is None or self.dtype is not None else _seeded(op.seed)
            return _draw(integers(op.shape), seeded, self.dtype or node.outputs[0].dtype)
        if isinstance(op, ops.Repeat):
            return _loop(op, self.program(op.body), node.outputs[op.carried :])
        return widened(node, call_of(op, None, PLAIN_ARRAYS)) if self.dtype is None else call_of(op, self.dtype)


def _note_last_uses(program: Program, kept: Collection[int]) -> None:
    """Note at each instruction which slots nobody reads after it."""
    alive = set(kept)
    for number in range(len(program.instructions) - 1, -1, -1):
        step = program.instructions[number]
        last = {slot for slot in (*step.reads, *step.writes) if slot not in alive}
        alive.update(last)
        program.instructions[number] = replace(step, last_uses=tuple(last))


# ------------------------------------------------------------------- calls that need more than their inputs
def _observed(node: Node, call: ArrayCall, observe: Callable[[Node], None]) -> ArrayCall:
    def run(*x: Array) -> Any:
        observe(node)
        return call(*x)

    return run


def _lifted(node: Node, call: ArrayCall, lift: Callable[[Array], Array]) -> ArrayCall:
    """Lift object arrays, and whatever a cast makes a float."""
    becomes_float = isinstance(node.op, ops.Cast) and "float" in node.outputs[0].dtype
    outputs = len(node.outputs)

    def lifted(result: Array) -> Array:
        array = np.asarray(result)
        return np.asarray(lift(array), dtype=object) if becomes_float or array.dtype == object else array

    def run(*x: Array) -> Any:
        results = [lifted(result) for result in results_of(call, x, outputs)]
        return results[0] if outputs == 1 else results

    return run


def _seeded(seed: int) -> RandomSource:
    """What ONNX's own implementation draws from a seed, which begins anew with each call."""
    return lambda shape: np.random.RandomState(seed % 2**32).uniform(size=shape)


def _draw(shape: tuple[int, ...], random: RandomSource, dtype: str) -> ArrayCall:
    def run() -> Array:
        drawn = np.asarray(random(shape))
        return drawn if drawn.dtype == object else drawn.astype(dtype, copy=False)

    return run


def _loop(op: ops.Repeat, body: Program, stacks: Sequence[Tensor]) -> ArrayCall:
    """The body once per iteration: carried values from one to the next, stacked outputs collected."""
    times = integers((op.times,))[0]
    order = range(times - 1, -1, -1) if op.reverse else range(times)

    def stacked(pile: list[Array], made: Tensor) -> Array:
        if not pile:
            return np.zeros(integers(made.shape), dtype=numpy_dtype(made.dtype))
        return np.stack(pile[::-1] if op.reverse else pile)

    def run(*x: Array) -> Any:
        carried, scanned = list(x[: op.carried]), x[op.carried : op.carried + op.scanned]
        invariant = x[op.carried + op.scanned :]
        piles: list[list[Array]] = [[] for _ in op.body.outputs[op.carried :]]
        for number in order:
            inputs = [*carried, *(stack[number, ...] for stack in scanned), *invariant]
            values = body.run(dict(zip(op.body.inputs, inputs, strict=True)))
            results = [values[tensor] for tensor in op.body.outputs]
            carried = results[: op.carried]
            for pile, result in zip(piles, results[op.carried :], strict=True):
                pile.append(result)
        results = [*carried, *map(stacked, piles, stacks)]
        return results if len(results) > 1 else results[0]

    return run


@record
class _Store:
    """Write a running average into the buffer it continues; a cut or a slice of a stack is a view of it."""


def _store(buffer: Array, fresh: Array) -> Array:
    buffer[...] = fresh
    return buffer


def _nodes(items: Sequence[Item], *, update_buffers: bool) -> Iterator[Node]:
    """The nodes in execution order; after a region with effects, the writes they stand for."""
    if not update_buffers:
        yield from walk(items)
        return
    for item in items:
        if not isinstance(item, Region):
            yield item
            continue
        yield from _nodes(item.items, update_buffers=True)
        if item.effects:
            yield from _stores(item)


def _stores(region: Region) -> Iterable[Node]:
    for buffer, fresh in zip(region.inputs[-len(region.effects) :], region.effects, strict=True):
        done = Tensor(fresh.shape, fresh.dtype)
        yield Node(cast("Any", _Store()), (buffer, fresh), (done,), region.path, region.phase)
