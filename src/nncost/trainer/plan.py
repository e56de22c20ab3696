"""A graph prepared for running many times: every node is one NumPy call on numbered places.

The nodes are those of the graph that is counted, all of them and in its order. Constants are computed once; a
value is let go after its last use, so that memory is what the graph's liveness says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from nncost.ir import execute, ops
from nncost.ir.free import folds
from nncost.ir.graph import Graph, Item, Node, Region, Tensor
from nncost.trainer.kernels import Array, Call, call_of

Random = Callable[[tuple[int, ...]], Array]


@dataclass(frozen=True, slots=True)
class Step:
    """One call: its node, the places it reads and writes, and those nobody needs afterwards."""

    node: Node
    call: Call
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    dies: tuple[int, ...]


@dataclass(slots=True)
class Plan:
    """The calls of a graph; ``named`` are the places of constants that a run sets anew.

    ``effects`` write running averages into the buffers they continue, in place: (buffer, new value).
    """

    dtype: str
    places: dict[Tensor, int] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    constants: list[tuple[int, Array]] = field(default_factory=list)
    named: dict[str, list[int]] = field(default_factory=dict)
    results: dict[Tensor, int] = field(default_factory=dict)

    def run(
        self,
        feeds: Mapping[Tensor, Array],
        settings: Mapping[str, float] | None = None,
        observe: Callable[[Step, Sequence[Array]], None] | None = None,
    ) -> dict[Tensor, Array]:
        """The results with their values. ``settings`` give the named constants; ``observe`` sees each call's inputs."""
        values: list[Array] = [None] * len(self.places)
        for place, constant in self.constants:
            values[place] = constant
        for tensor, array in feeds.items():
            values[self.places[tensor]] = array
        for name, value in (settings or {}).items():
            for place in self.named.get(name, ()):
                values[place] = np.asarray(value, dtype=self.dtype)
        for step in self.steps:
            arguments = [values[place] for place in step.reads]
            if observe is not None:
                observe(step, arguments)
            result = step.call(*arguments)
            if len(step.writes) == 1:
                values[step.writes[0]] = result
            else:
                for place, part in zip(step.writes, result, strict=True):
                    values[place] = part
            for place in step.dies:
                values[place] = None
        return {tensor: values[place] for tensor, place in self.results.items()}


def plan_of(graph: Graph, random: Random, *, dtype: str = "float32") -> Plan:
    """Prepare a graph. ``random(shape)`` gives uniform numbers at each run."""
    plan = Plan(dtype)
    for tensor in (*graph.inputs, *(parameter.tensor for parameter in graph.parameters)):
        plan.places.setdefault(tensor, len(plan.places))
    nodes = list(_nodes_with_effects(graph.items))
    kept = set(graph.outputs)
    constants: set[Tensor] = set()
    settable: set[Tensor] = set()
    fixed: dict[Tensor, Array] = {}
    for node in nodes:
        for tensor in node.outputs:
            plan.places.setdefault(tensor, len(plan.places))
        if isinstance(node.op, ops.Constant) and node.op.name:
            plan.named.setdefault(node.op.name, []).append(plan.places[node.outputs[0]])
            fixed[node.outputs[0]] = execute._constant(node.op, dtype)
            settable.add(node.outputs[0])
        elif folds(node, constants) and not isinstance(node.op, ops.Repeat):
            constants.update(node.outputs)
            arguments = [fixed[tensor] for tensor in node.inputs]
            results = execute._apply(node.op, arguments, dtype)
            fixed.update(zip(node.outputs, (np.asarray(result) for result in results), strict=True))
        else:
            plan.steps.append(_step(plan, node, _call(node, random, dtype)))
    _let_go(plan, kept | set(fixed) | {*graph.inputs, *(p.tensor for p in graph.parameters)})
    needed = {place for step in plan.steps for place in step.reads}
    plan.constants = [(plan.places[t], a) for t, a in fixed.items() if plan.places[t] in needed or t in kept]
    plan.results = {tensor: plan.places[tensor] for tensor in graph.outputs}
    return plan


def _step(plan: Plan, node: Node, call: Call) -> Step:
    reads = tuple(plan.places[tensor] for tensor in node.inputs)
    return Step(node, call, reads, tuple(plan.places[tensor] for tensor in node.outputs), ())


def _let_go(plan: Plan, kept: Iterable[Tensor]) -> None:
    """Note at each step which places nobody reads after it."""
    alive = {plan.places[tensor] for tensor in kept}
    for number in range(len(plan.steps) - 1, -1, -1):
        step = plan.steps[number]
        dies = {place for place in (*step.reads, *step.writes) if place not in alive}
        alive.update(dies)
        plan.steps[number] = Step(step.node, step.call, step.reads, step.writes, tuple(dies))


# ------------------------------------------------------------------- calls that need more than their inputs
def _call(node: Node, random: Random, dtype: str) -> Call:
    op = node.op
    if isinstance(op, _Store):
        return _store
    if isinstance(op, ops.Random):
        shape = execute._integers(op.shape)
        return lambda: random(shape).astype(dtype)
    if isinstance(op, ops.Repeat):
        return _loop(op, plan_of(op.body, random, dtype=dtype))
    return call_of(node, dtype)


def _loop(op: ops.Repeat, body: Plan) -> Call:
    """The body once for each iteration, as ``execute`` runs it."""
    times = execute._integers((op.times,))[0]
    order = range(times - 1, -1, -1) if op.reverse else range(times)

    def call(*x: Array) -> Any:
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
        stacked = [np.stack(pile[::-1] if op.reverse else pile) for pile in piles]
        return [*carried, *stacked] if len(carried) + len(stacked) > 1 else [*carried, *stacked][0]

    return call


@dataclass(frozen=True, slots=True)
class _Store:
    """Write a running average into the buffer it continues; a cut or a slice of a stack is a view of it."""


def _store(buffer: Array, fresh: Array) -> Array:
    buffer[...] = fresh
    return buffer


def _nodes_with_effects(items: Sequence[Item]) -> Iterable[Node]:
    """The nodes in execution order; behind a region that has effects, the writes they stand for."""
    for item in items:
        if not isinstance(item, Region):
            yield item
            continue
        yield from _nodes_with_effects(item.items)
        if item.effects:
            for buffer, fresh in zip(item.inputs[-len(item.effects) :], item.effects, strict=True):
                done = Tensor(fresh.shape, fresh.dtype)
                yield Node(cast("Any", _Store()), (buffer, fresh), (done,), item.path, item.phase)
