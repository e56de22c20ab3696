"""From a derived step's graph to its allocations: each kernel takes what others read of it, and frees what nobody will.

Kernels are those of ``counting.kernels``: what one computes inside takes no bytes, views take none, constants
none, and an update writes over the old parameters and states. A Repeat takes its stacked outputs whole when
it begins, keeps its inputs until it ends, and its iterations take turns in the same memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nncost.counting.kernels import Plan
from nncost.counting.memory.running_sums import RunningSums, running_sums
from nncost.counting.quantities import DTYPE_BYTES
from nncost.dims import Dim, add_all, same
from nncost.ir import ops
from nncost.ir.graph import Graph, Node, Parameter, Phase, Tensor, walk
from nncost.ir.storage import Allocation, AllocationKind, Timeline

Plans = Mapping[Graph, Plan]


@dataclass(slots=True, eq=False)
class _Slot:
    """An allocation under way: from position ``born`` until after position ``last``, or to the end of the step."""

    bytes: Dim
    born: int
    last: int
    path: str
    phase: Phase
    kind: AllocationKind = "value"
    outlives: bool = False


_Slots = tuple[_Slot, ...]


@dataclass(frozen=True, slots=True)
class Roles:
    """What the tensors of a step's graph are for.

    ``kept`` are wanted when the step is over, ``in_place`` are written over what is there already,
    ``gradients`` belong to parameters; ``gathered`` says that earlier micro-batches left theirs.
    """

    kept: Sequence[Tensor]
    in_place: frozenset[Tensor] = frozenset()
    gradients: Mapping[Parameter, Tensor] = field(default_factory=dict)
    gathered: bool = False


def bytes_of(tensor: Tensor) -> Dim:
    """The bytes of a tensor's elements."""
    return tensor.elements * DTYPE_BYTES[tensor.dtype]


def timeline_of(graph: Graph, plans: Plans, roles: Roles) -> Timeline | None:
    """The allocations of one step; None where a loop's sizes change with its iteration."""
    if any(_is_ragged(node) for block in plans for node in walk(block.items)):
        return None
    walker = _Walker(plans, roles.in_place)
    walker.block(graph)
    for tensor in roles.kept:
        for slot in walker.roots.get(tensor, ()):
            slot.outlives = True
    walker.keep_gradients(roles)
    forward_ends = walker.forward_ends if walker.forward_ends is not None else walker.position + 1
    is_training = walker.forward_ends is not None
    saved = [
        s.bytes for s in walker.slots if s.kind == "value" and s.born < forward_ends and (s.outlives or s.last >= forward_ends)
    ]  # fmt: skip
    return Timeline(tuple(_ticked(walker.slots)), add_all(saved) if is_training else 0)


def _is_ragged(node: Node) -> bool:
    return isinstance(node.op, ops.Repeat) and node.op.index is not None


def _ticked(slots: Sequence[_Slot]) -> list[Allocation]:
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


@dataclass(slots=True)
class _Walker:
    """Positions are numbered in the order nodes run, through the bodies of loops."""

    plans: Plans
    in_place: frozenset[Tensor]
    position: int = 0
    slots: list[_Slot] = field(default_factory=list)
    roots: dict[Tensor, _Slots] = field(default_factory=dict)
    forward_ends: int | None = None

    def block(self, graph: Graph, placed: Mapping[Tensor, _Slots] | None = None) -> None:
        """Run the nodes of a graph; ``placed`` tensors have memory of others to be written to."""
        nodes = list(walk(graph.items))
        run = _Block(self, self.plans[graph], running_sums(nodes), placed or {})
        for node in nodes:
            self.position += 1
            if self.forward_ends is None and node.phase != "forward":
                self.forward_ends = self.position
            run.node(node)

    def take(self, size: Dim, node: Node) -> _Slot:
        """New memory at this position, in the name of a node."""
        slot = _Slot(size, self.position, self.position, node.path, node.phase)
        self.slots.append(slot)
        return slot

    def touch(self, slots: _Slots) -> None:
        """Memory that is read at this position."""
        for slot in slots:
            slot.last = max(slot.last, self.position)

    def of(self, tensors: Sequence[Tensor]) -> _Slots:
        """The memory behind tensors."""
        if len(tensors) == 1:
            return self.roots.get(tensors[0], ())
        return tuple(dict.fromkeys(slot for tensor in tensors for slot in self.roots.get(tensor, ())))

    def keep_gradients(self, roles: Roles) -> None:
        """Gradients stay to the end of the step, each in memory of its own."""
        claimed: set[_Slot] = set()
        for parameter, tensor in roles.gradients.items():
            slots, size = self.roots.get(tensor, ()), bytes_of(tensor)
            if not slots or not claimed.isdisjoint(slots) or not same(add_all(s.bytes for s in slots), size):
                born = max((slot.born for slot in slots), default=self.forward_ends or 0)
                copy = _Slot(size, born, born, parameter.path, "backward")
                self.slots.append(copy)
                slots = (copy,)
            claimed.update(slots)
            if roles.gathered:
                self.slots.append(_Slot(size, 0, 0, parameter.path, "backward", "gradient", True))
                continue
            for slot in slots:
                slot.kind, slot.outlives = "gradient", True


@dataclass(slots=True)
class _Block:
    """One walk over the nodes of a graph or of a loop's body."""

    walker: _Walker
    plan: Plan
    sums: RunningSums
    placed: Mapping[Tensor, _Slots]
    kernel: dict[Node, int] = field(init=False)
    waiting: list[int] = field(init=False)
    held: list[list[_Slot]] = field(init=False)

    def __post_init__(self) -> None:
        kernels = self.plan.kernels
        self.kernel = {node: number for number, kernel in enumerate(kernels) for node in kernel.nodes}
        self.waiting = [len(kernel.nodes) for kernel in kernels]
        self.held = [[] for _ in kernels]

    def node(self, node: Node) -> None:
        """Run one node: new memory for what escapes, and what its kernel reads is held until the kernel ends."""
        walker, number = self.walker, self.kernel.get(node)
        if isinstance(node.op, ops.Repeat):
            self._repeat(node, node.op)
        elif number is not None:
            self._work(node, number)
        elif isinstance(node.op, ops.Opaque):
            walker.touch(walker.of(node.inputs))
            for output in node.outputs:
                walker.roots[output] = (walker.take(bytes_of(output), node),)
        else:
            slots = walker.of(node.inputs)
            if slots:
                walker.roots.update(dict.fromkeys(node.outputs, slots))

    def _work(self, node: Node, number: int) -> None:
        walker, held = self.walker, self.held[number]
        if node in self.sums.nodes:
            walker.touch(walker.roots.get(node.outputs[0], ()))
        else:
            for tensor in node.inputs:
                held.extend(walker.roots.get(tensor, ()))
            for output in node.outputs:
                if output in self.plan.escaping and output not in self.plan.effects and output not in walker.in_place:
                    slots = self._memory_of(output, node)
                    walker.roots[output] = slots
                    held.extend(slots)
        self.waiting[number] -= 1
        if not self.waiting[number]:
            walker.touch(tuple(held))

    def _memory_of(self, output: Tensor, node: Node) -> _Slots:
        slots = self.placed.get(output)
        if slots is None:
            slots = (self.walker.take(bytes_of(output), node),)
        total = self.sums.total.get(output)
        if total is not None:  # The first gradient becomes the sum; the others are added to it at once.
            self.walker.roots.setdefault(total, slots)
        return slots

    def _repeat(self, node: Node, op: ops.Repeat) -> None:
        walker, body = self.walker, op.body
        given, carried = walker.of(node.inputs), body.outputs[: op.carried]
        for inner, outer in zip(body.inputs, node.inputs, strict=True):
            walker.roots[inner] = walker.roots.get(outer, ())
        if op.times != 1:  # A later iteration starts from values of the one before it.
            for inner, result in zip(body.inputs[: op.carried], carried, strict=True):
                if result is not inner:
                    walker.roots[inner] = (walker.take(bytes_of(inner), node),)
        placed: dict[Tensor, _Slots] = {}
        stacks: list[_Slots] = []
        for output, result in zip(node.outputs[op.carried :], body.outputs[op.carried :], strict=True):
            stacks.append(self._stack_of(output, node))
            if output not in self.sums.total and result not in carried and result not in body.inputs:
                placed.setdefault(result, stacks[-1])
        walker.block(body, placed)
        walker.position += 1
        walker.touch((*given, *walker.of(carried), *(slot for slots in stacks for slot in slots)))
        walker.roots.update(zip(node.outputs, (*(walker.roots.get(t, ()) for t in carried), *stacks), strict=True))

    def _stack_of(self, output: Tensor, node: Node) -> _Slots:
        """A stacked output, whole; one slice where it is only added up."""
        walker, total = self.walker, self.sums.total.get(output)
        if total is None:
            return (walker.take(bytes_of(output), node),)
        if total not in walker.roots:
            walker.roots[total] = (walker.take(bytes_of(total), node),)
        return ()
