"""The memory of a graph's nodes, one after another: what each takes, holds and frees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from nncost.counting.kernels import Plan
from nncost.counting.memory.buffers import NOTHING, Held, Slot, bytes_of, union
from nncost.counting.memory.running_sums import RunningSums, running_sums
from nncost.dims import Dim, add_all, same
from nncost.ir import ops
from nncost.ir.graph import Graph, Node, Parameter, Phase, Tensor, walk

Plans = Mapping[Graph, Plan]
RunLoop = Callable[["Walker", Node, ops.Repeat, Mapping[Tensor, Tensor]], None]


@dataclass(frozen=True, slots=True)
class _Block:
    """What is known of a graph or of a loop's body before it runs."""

    nodes: list[Node]
    plan: Plan
    kernel: dict[Node, int]
    lengths: list[int]
    sums: RunningSums


def _block_of(graph: Graph, plan: Plan) -> _Block:
    nodes = list(walk(graph.items))
    kernel = {node: number for number, kernel in enumerate(plan.kernels) for node in kernel.nodes}
    sums = running_sums(nodes) if plan.loops else RunningSums()
    return _Block(nodes, plan, kernel, [len(kernel.nodes) for kernel in plan.kernels], sums)


@dataclass(slots=True)
class Walker:
    """Positions are numbered in the order nodes run, through the bodies of loops, which ``run_loop`` runs."""

    plans: Plans
    in_place: frozenset[Tensor]
    run_loop: RunLoop
    position: int = 0
    slots: list[Slot] = field(default_factory=list)
    holdings: dict[Tensor, Held] = field(default_factory=dict)
    forward_ends: int | None = None
    _blocks: dict[Graph, _Block] = field(default_factory=dict)

    def held(self, tensor: Tensor) -> Held:
        """The memory behind a tensor."""
        return self.holdings.get(tensor, NOTHING)

    def take(self, size: Dim, path: str, phase: Phase) -> Slot:
        """New memory at this position, in the name of a layer."""
        slot = Slot(size, self.position, self.position, path, phase)
        self.slots.append(slot)
        return slot

    def again(self, like: Slot, times: Dim) -> Slot:
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
            block = self._blocks[graph] = _block_of(graph, self.plans[graph])
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
        plan = block.plan
        for output in node.outputs:
            if output in plan.escaping and output not in plan.effects and output not in self.in_place:
                slot = self.take(bytes_of(output), node.path, node.phase)
                holdings[output] = Held((slot,))
                kept.append(slot)
                total = block.sums.total.get(output)
                if total is not None:  # The first gradient becomes the sum; the others are added to it at once.
                    holdings.setdefault(total, holdings[output])

    def _outside_kernels(self, block: _Block, node: Node) -> None:
        if isinstance(node.op, ops.Repeat):
            self.run_loop(self, node, node.op, block.sums.total)
        elif isinstance(node.op, ops.Opaque):
            for tensor in node.inputs:
                self.touch(self.held(tensor).slots)
            for output in node.outputs:
                self.holdings[output] = Held((self.take(bytes_of(output), node.path, node.phase),))
        else:
            held = union([self.held(tensor) for tensor in node.inputs])
            if held.slots:
                self.holdings.update(dict.fromkeys(node.outputs, Held(held.slots)))

    def keep_gradients(self, gradients: Mapping[Parameter, Tensor], *, gathered: bool) -> None:
        """Gradients stay to the end of the step, each in memory of its own; ``gathered`` are there from its start."""
        owners = Counter(slot for tensor in gradients.values() for slot in self.held(tensor).slots)
        for parameter, tensor in gradients.items():
            slots, size = self.held(tensor).slots, bytes_of(tensor)
            if not slots or any(owners[slot] > 1 for slot in slots) or not same(add_all(s.bytes for s in slots), size):
                born = max((slot.born for slot in slots), default=self.forward_ends or 0)
                copy = Slot(size, born, born, parameter.path, "backward")
                self.slots.append(copy)
                slots = (copy,)
            if gathered:
                self.slots.append(Slot(size, 0, 0, parameter.path, "backward", "gradient", True))
                continue
            for slot in slots:
                slot.kind, slot.outlives = "gradient", True
