"""A plain interpreter that allocates: every iteration of every loop is run, and every byte is looked at in every moment.

It knows the rules of docs/memory.md and nothing of how the library follows them: it writes down who
writes and who reads which piece of memory, and afterwards adds up, for each moment, what was written
and is still to be read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nncost.counting.kernels import Kernels
from nncost.counting.ledger import count_graph
from nncost.ir import ops
from nncost.ir.dtypes import bytes_of
from nncost.ir.graph import Graph, Node, Tensor, walk
from nncost.ir.training.step import StepGraph


@dataclass(eq=False)
class Piece:
    """A piece of memory with the moments it is used at."""

    size: int
    uses: list[int]
    forever: bool = False


Pieces = frozenset[Piece]
EMPTY: Pieces = frozenset()
Value = tuple[Pieces, "list[Value] | None"]
"""What a tensor lies in; of a stack also each slice."""


@dataclass
class Interpreter:
    step: StepGraph
    kernels: dict[Graph, Kernels] = field(default_factory=dict)
    pieces: list[Piece] = field(default_factory=list)
    where: dict[Tensor, Pieces] = field(default_factory=dict)
    slices: dict[Tensor, list[Value]] = field(default_factory=dict)
    moment: int = 0
    phases: list[str] = field(default_factory=list)

    def run(self) -> None:
        count_graph(self.step.graph, kernels=self.kernels)
        step = self.step
        self.written_over = {*step.updated.values(), *(s for states in step.states.values() for s in states)}
        self._graph(step.graph)
        keep = list(step.graph.outputs) if step.loss is None else [step.loss, *step.gradients.values()]
        for tensor in keep:
            for piece in self.where.get(tensor, ()):
                piece.forever = True

    def live(self, moment: int) -> int:
        return sum(p.size for p in self.pieces if p.uses[0] <= moment and (p.forever or max(p.uses) >= moment))

    def peaks(self) -> tuple[int, int]:
        """Of the forward pass and of the step, above what is resident."""
        live = [self.live(moment) for moment in range(self.moment)]
        forward = max((b for b, phase in zip(live, self.phases, strict=True) if phase == "forward"), default=0)
        return forward, max(live, default=0)

    def saved(self) -> int:
        """What was written in forward and is read after it."""
        end = next(m for m, phase in enumerate(self.phases) if phase != "forward")
        return sum(p.size for p in self.pieces if p.uses[0] < end and (p.forever or max(p.uses) >= end))

    def _tick(self, phase: str) -> None:
        self.moment += 1
        self.phases.append(phase)

    def _new(self, tensor: Tensor) -> Pieces:
        piece = Piece(int(bytes_of(tensor.elements, tensor.dtype)), [self.moment])
        self.pieces.append(piece)
        return frozenset([piece])

    def _use(self, pieces: Pieces) -> None:
        for piece in pieces:
            piece.uses.append(self.moment)

    def _behind(self, tensors: tuple[Tensor, ...]) -> Pieces:
        return frozenset(piece for tensor in tensors for piece in self.where.get(tensor, ()))

    def _graph(self, graph: Graph) -> None:
        found = self.kernels[graph]
        owner = {node: kernel for kernel in found.groups for node in kernel.nodes}
        touched: dict[int, list[Pieces]] = {}
        nodes = list(walk(graph.items))
        added = added_up(nodes)
        for node in added.values():
            self.where.pop(node.outputs[0], None)
        for node in nodes:
            if isinstance(node.op, ops.Repeat):
                self._loop(node, node.op, added)
                continue
            kernel = owner.get(node)
            if kernel is None and not isinstance(node.op, ops.Opaque):
                self.where.update(dict.fromkeys(node.outputs, self._behind(node.inputs)))
                for output in node.outputs:
                    self.slices.pop(output, None)
            else:
                reads = [] if node in added.values() else [self._behind(node.inputs)]
                for output in node.outputs:
                    if (kernel is None or output in found.escaping) and output not in found.effects | self.written_over:
                        if node in added.values():
                            reads.append(self.where[output])
                            continue
                        self.where[output] = self._new(output)
                        reads.append(self.where[output])
                        if output in added:
                            total = added[output].outputs[0]
                            self.where.setdefault(total, self.where[output])
                mine = touched.setdefault(id(kernel), [])
                mine += reads
                for pieces in mine:  # A kernel holds on to all it has touched until its last node is done.
                    self._use(pieces)
            self._tick(node.phase)

    def _loop(self, node: Node, op: ops.Repeat, added: dict[Tensor, Node]) -> None:
        """All iterations, one after the other; a stack is the list of what each of them left."""
        body, times = op.body, int(op.times)
        state = [self.where.get(tensor, EMPTY) for tensor in node.inputs[: op.carried]]
        shared = [self.where.get(tensor, EMPTY) for tensor in node.inputs[op.carried + op.scanned :]]
        shared_slices = [self.slices.get(tensor) for tensor in node.inputs[op.carried + op.scanned :]]
        stacks: list[list[Value]] = [[] for _ in node.outputs[op.carried :]]
        for output in node.outputs[op.carried :]:
            total = added[output].outputs[0] if output in added else None
            if total is not None and total not in self.where:
                self.where[total] = self._new(total)
        order = range(times)[::-1] if op.reverse else range(times)
        lists = [
            (t, self.where.get(t, EMPTY), self.slices.get(t)) for t in node.inputs[op.carried : op.carried + op.scanned]
        ]
        for index in order:
            for tensor, pieces in zip(body.inputs, [*state, *(EMPTY for _ in lists), *shared], strict=True):
                self.where[tensor] = pieces
                self.slices.pop(tensor, None)
            for tensor, (_, whole, slices) in zip(body.inputs[op.carried :], lists, strict=False):
                fits = slices is not None and len(slices) == times
                self.where[tensor], inner = slices[index] if fits else (whole, None)  # type: ignore[index]
                if inner is not None:
                    self.slices[tensor] = inner
            for tensor, inner in zip(body.inputs[op.carried + op.scanned :], shared_slices, strict=True):
                if inner is not None:
                    self.slices[tensor] = inner
            self._graph(body)
            state = [self.where.get(tensor, EMPTY) for tensor in body.outputs[: op.carried]]
            for stack, tensor in zip(stacks, body.outputs[op.carried :], strict=True):
                stack.append((self.where.get(tensor, EMPTY), self.slices.get(tensor)))
        for tensor, pieces in zip(node.outputs, state, strict=False):
            self.where[tensor] = pieces
        for tensor, stack in zip(node.outputs[op.carried :], stacks, strict=True):
            if tensor not in added:
                self.slices[tensor] = stack[::-1] if op.reverse else stack
                self.where[tensor] = frozenset(piece for pieces, _ in stack for piece in pieces)


def added_up(nodes: list[Node]) -> dict[Tensor, Node]:
    """Gradients that a loop's iterations share: tensor to the sum over all of them."""
    found: dict[Tensor, Node] = {}
    maker = {output: node for node in nodes for output in node.outputs}
    for node in nodes:
        if node.phase != "backward" or node.op != ops.Reduce("sum", (0,)):
            continue
        made = maker.get(node.inputs[0])
        if made is not None and isinstance(made.op, ops.Concat) and made.origin == "peeled":
            parts = [
                maker[piece].inputs[0] if isinstance(maker[piece].op, ops.Reshape) else piece for piece in made.inputs
            ]
        else:
            parts = [node.inputs[0]]
        loops = [maker[part] for part in parts if part in maker and isinstance(maker[part].op, ops.Repeat)]
        stacked = {output for loop in loops for output in loop.outputs[loop.op.carried :]}
        if not stacked.isdisjoint(parts):
            found.update(dict.fromkeys(parts, node))
            found[node.inputs[0]] = node
    return found
