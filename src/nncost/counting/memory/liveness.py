"""From a derived step's graph to its allocations: each kernel takes what others read of it, and frees what nobody will.

Kernels are those of ``counting.kernels``: what one computes inside takes no bytes, views take none, constants
none, and an update writes over the old parameters and states. A Repeat takes what its iterations, one after
another, take; ``loops.py`` says how that is known without running them all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nncost.counting.kernels import Kernels
from nncost.counting.memory.buffers import NOTHING, Holding, Slot, union
from nncost.counting.memory.running_sums import RunningSums, running_sums
from nncost.dims import Dim, add_all, same
from nncost.ir import ops
from nncost.ir.graph import Graph, Node, Parameter, Phase, Tensor, walk
from nncost.ir.storage import Allocation, Timeline
from nncost.records import record

KernelsOf = Mapping[Graph, Kernels]
MAX_VISITED_KERNELS = 100_000
"""Kernels visited more than once, as those of nested loops are in every iteration of the outer one."""
RAGGED = "Activations and peaks have no closed form where every layer has a width of its own."
NESTED = "Activations and peaks are not worked out: its blocks are repeated within each other too many times."


class NoTimelineError(Exception):
    """There is no timeline; the message says why."""


@record
class Roles:
    """What the tensors of a step's graph are for.

    ``kept`` are wanted when the step is over, ``in_place`` are written over what is there already,
    ``gradients`` belong to parameters; ``gathered`` says that earlier micro-batches left theirs.
    """

    kept: Sequence[Tensor]
    in_place: frozenset[Tensor] = frozenset()
    gradients: Mapping[Parameter, Tensor] = field(default_factory=dict)
    gathered: bool = False


def timeline_of(graph: Graph, kernels: KernelsOf, roles: Roles) -> Timeline:
    """The allocations of one step.

    Raise NoTimelineError if a loop's sizes change with its iteration, or loops are nested too deep to be walked.
    """
    if any(loop.index is not None for each in kernels.values() for loop in each.loops):
        raise NoTimelineError(RAGGED)
    if _visited(graph, kernels, {}) > MAX_VISITED_KERNELS + sum(len(each.groups) for each in kernels.values()):
        raise NoTimelineError(NESTED)
    walker = _Walker(kernels, roles.in_place)
    walker.run(graph)
    for tensor in roles.kept:
        for slot in walker.held(tensor).slots:
            slot.outlives = True
    walker.keep_gradients(roles)
    forward_ends = walker.forward_ends if walker.forward_ends is not None else walker.position + 1
    is_training = walker.forward_ends is not None
    saved = [
        s.bytes for s in walker.slots if s.kind == "value" and s.born < forward_ends and (s.outlives or s.last >= forward_ends)
    ]  # fmt: skip
    return Timeline(tuple(_ticked(walker.slots)), add_all(saved) if is_training else 0)


def _visited(graph: Graph, kernels: KernelsOf, known: dict[Graph, int]) -> int:
    """How many kernels are visited: those of a loop's body several times, at each level of nesting."""
    if graph not in known:
        found = kernels[graph]
        if not found.loops:
            return len(found.groups) + 1
        from nncost.counting.memory.loops import visited_iterations

        inner = sum(visited_iterations(loop.times) * _visited(loop.body, kernels, known) for loop in found.loops)
        known[graph] = len(found.groups) + 1 + inner
    return known[graph]


def _ticked(slots: Sequence[Slot]) -> list[Allocation]:
    """Allocations with a moment for each event: at one position first what is born, then what dies."""
    events = [(slot.born, 0, number) for number, slot in enumerate(slots)]
    events += [(slot.last, 1, number) for number, slot in enumerate(slots) if not slot.outlives]
    events.sort()
    born, dies = [0] * len(slots), [len(events)] * len(slots)
    for moment, (_, is_end, number) in enumerate(events):
        (dies if is_end else born)[number] = moment
    order = sorted(range(len(slots)), key=born.__getitem__)
    return [
        Allocation(s.bytes, born[i], None if s.outlives and s.kind == "value" else dies[i], s.path, s.phase, s.kind)
        for i in order
        for s in (slots[i],)
    ]


@record
class _Block:
    """What is known of a graph or of a loop's body before it runs."""

    nodes: list[Node]
    kernels: Kernels
    kernel: dict[Node, int]
    lengths: list[int]
    sums: RunningSums


def _block_of(graph: Graph, kernels: Kernels) -> _Block:
    nodes = list(walk(graph.items))
    kernel = {node: number for number, kernel in enumerate(kernels.groups) for node in kernel.nodes}
    sums = running_sums(nodes) if kernels.loops else RunningSums()
    return _Block(nodes, kernels, kernel, [len(kernel.nodes) for kernel in kernels.groups], sums)


@dataclass(slots=True)
class _Walker:
    """Positions are numbered in the order nodes run, through the bodies of loops."""

    kernels: KernelsOf
    in_place: frozenset[Tensor]
    position: int = 0
    slots: list[Slot] = field(default_factory=list)
    holdings: dict[Tensor, Holding] = field(default_factory=dict)
    forward_ends: int | None = None
    _blocks: dict[Graph, _Block] = field(default_factory=dict)

    def held(self, tensor: Tensor) -> Holding:
        """The memory behind a tensor."""
        return self.holdings.get(tensor, NOTHING)

    def take(self, size: Dim, path: str, phase: Phase) -> Slot:
        """New memory at this position, in the name of a layer."""
        slot = Slot(size, self.position, self.position, path, phase)
        self.slots.append(slot)
        return slot

    def take_like(self, like: Slot, times: Dim) -> Slot:
        """Memory for ``times`` as much as a slot has, in the name of its layer."""
        return self.take(like.bytes * times, like.path, like.phase)

    def touch(self, slots: Iterable[Slot]) -> None:
        """Memory that is in use at this position."""
        for slot in slots:
            slot.last = self.position

    def run(self, graph: Graph) -> None:
        """Run the nodes of a graph."""
        block = self._blocks.get(graph)
        if block is None:
            block = self._blocks[graph] = _block_of(graph, self.kernels[graph])
        waiting = list(block.lengths)
        kept: dict[int, list[Slot]] = {}
        for total in block.sums.total.values():
            self.holdings.pop(total, None)
        for node in block.nodes:
            self.position += 1
            if self.forward_ends is None and node.phase != "forward":
                self.forward_ends = self.position
            number = block.kernel.get(node)
            if number is not None:
                slots = kept.setdefault(number, [])
                self._work(block, node, slots)
                waiting[number] -= 1
                if not waiting[number]:
                    self.touch(slots)
            else:
                self._outside_kernels(block, node)

    def _work(self, block: _Block, node: Node, kept: list[Slot]) -> None:
        """New memory for what escapes; all that its kernel reads is held until the kernel ends."""
        holdings = self.holdings
        if node in block.sums.nodes:
            kept.extend(self.held(node.outputs[0]).slots)
            return
        for tensor in node.inputs:
            held = holdings.get(tensor)
            if held is None:
                continue
            if node.phase == "update":  # Gradients stay by themselves, or were added to those of earlier micro-batches.
                kept.extend(slot for slot in held.slots if slot.phase == "update")
            else:
                kept.extend(held.slots)
        kernels = block.kernels
        for output in node.outputs:
            if output in kernels.escaping and output not in kernels.effects and output not in self.in_place:
                slot = self.take(output.bytes, node.path, node.phase)
                holdings[output] = Holding((slot,))
                kept.append(slot)
                total = block.sums.total.get(output)
                if total is not None:  # The first gradient becomes the sum; the others are added to it at once.
                    holdings.setdefault(total, holdings[output])

    def _outside_kernels(self, block: _Block, node: Node) -> None:
        if isinstance(node.op, ops.Repeat):
            from nncost.counting.memory.loops import run_loop

            run_loop(self, node, node.op, block.sums.total)
        elif isinstance(node.op, ops.Opaque):
            for tensor in node.inputs:
                self.touch(self.held(tensor).slots)
            for output in node.outputs:
                self.holdings[output] = Holding((self.take(output.bytes, node.path, node.phase),))
        else:
            held = union([self.held(tensor) for tensor in node.inputs])
            if held.slots:
                self.holdings.update(dict.fromkeys(node.outputs, Holding(held.slots)))

    def keep_gradients(self, roles: Roles) -> None:
        """Gradients stay to the end of the step, each in memory of its own."""
        owners = Counter(slot for tensor in roles.gradients.values() for slot in self.held(tensor).slots)
        for parameter, tensor in roles.gradients.items():
            slots, size = self.held(tensor).slots, tensor.bytes
            if not slots or any(owners[slot] > 1 for slot in slots) or not same(add_all(s.bytes for s in slots), size):
                born = max((slot.born for slot in slots), default=self.forward_ends or 0)
                copy = Slot(size, born, born, parameter.path, "backward")
                self.slots.append(copy)
                slots = (copy,)
            if roles.gathered:
                self.slots.append(Slot(size, 0, 0, parameter.path, "backward", "gradient", True))
                continue
            for slot in slots:
                slot.kind, slot.outlives = "gradient", True
