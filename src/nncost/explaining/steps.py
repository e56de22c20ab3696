"""What a layer computes, operation by operation, read off the very graph that is counted.

Each step is an equation with what it takes. A tensor that is used once is written where it is used; one that is used
more often, or a long one, gets a name of its own, so that every operation of the count stands in exactly one step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from nncost.counting.quantities import Quantity
from nncost.dims import Dim, add_all, is_symbolic
from nncost.documents.document import Maths
from nncost.explaining.derivation import Counts, count_item
from nncost.explaining.executed import Executed
from nncost.explaining.expressions import FORMS, Piece, call, function, named, number, subscript, tuple_of
from nncost.ir import ops
from nncost.ir.graph import Item, Node, Region, Tensor, walk
from nncost.ir.training.optimizers import DECAY, FIRST_CORRECTION, RATE, SECOND_CORRECTION
from nncost.notation.written import written
from nncost.records import record, replace

_LONG = 44
"""Characters of an expression from which on it gets a name of its own."""
_STEP_CONSTANTS = {RATE: "η", DECAY: "η·λ", FIRST_CORRECTION: "(1 − β₁ᵗ)", SECOND_CORRECTION: "(1 − β₂ᵗ)"}
"""How the formulas of optimizers write the numbers that a run sets anew."""
STATES = ("h", "c")
"""What recurrent layers carry from step to step."""
_OPERANDS = "abcdefghijklmnopqrsuvwx"
_CONSTANTS = {"iota": "position", "identity": "onehot"}
_EXTREMES = {"max": "largest", "min": "smallest"}
_MASK = "allowed"
"""How a constant choice of elements is written, such as that of a causal mask."""
NOT_STEPS = ("activations", "derivatives", "macs", "masked_macs")
"""Quantities that are no operations: steps take none of them."""


@record
class Step:
    """``name = expression`` and what it takes; inside ``times`` iterations of a loop."""

    name: str
    expression: Maths
    counts: Counts
    times: Dim = 1


class Writer:
    """Writes the nodes of some items as steps; ``names`` are those of the tensors that are given.

    ``results`` are names of tensors that must have one, ``letter`` begins the names of the others; ``states`` are those
    of what loops carry.
    """

    def __init__(
        self,
        names: Mapping[Tensor, str],
        results: Mapping[Tensor, str],
        constants: Collection[Tensor],
        *,
        letter: str = "t",
        states: Sequence[str] = (),
        size: Callable[[Dim], Maths] = written,
        first: int = 1,
    ) -> None:
        self.pieces: dict[Tensor, Piece] = {tensor: named(name) for tensor, name in names.items()}
        self.results, self.constants = dict(results), set(constants)
        self.letter, self.states, self.size, self.number = letter, states, size, first
        self.steps: list[Step] = []
        self._uses: Counter[Tensor] = Counter()
        self._times: Dim = 1
        self._loops = 0

    def write(self, items: Sequence[Item], read_later: Iterable[Tensor] = ()) -> tuple[Step, ...]:
        """Return the steps of the items; later calls know the names of earlier ones, also of what is ``read_later``."""
        self._uses.update(_uses(items))
        self._uses.update(dict.fromkeys(read_later, 2))
        self._name_before_moves(items)
        self.steps = []
        for item in items:
            self._item(item)
        return tuple(self.steps)

    def _name_before_moves(self, items: Sequence[Item]) -> None:
        """What becomes a result by being put elsewhere has the result's name before."""
        for node in reversed(list(walk(items))):
            name = self.results.get(node.outputs[0]) if _passes(node.op) else None
            if name is not None and self._uses[node.inputs[0]] == 1:
                self.results.setdefault(node.inputs[0], name)

    def _item(self, item: Item) -> None:
        if isinstance(item, Region):
            for inner in item.items:
                self._item(inner)
        elif isinstance(item.op, ops.Repeat):
            self._loop(item, item.op)
        else:
            self._node(item)

    def _node(self, node: Node) -> None:
        counts = {} if isinstance(node.op, ops.Constant) else count_item(node, self.constants)
        counts = {name: amount for name, amount in counts.items() if name not in NOT_STEPS}
        if self._is_mask(node):
            self.pieces[node.outputs[0]] = named(_MASK)
            return
        operands = [self._piece(tensor) for tensor in node.inputs]
        if len(node.outputs) > 1:
            operands = [self._without_costs(*pair) for pair in zip(node.inputs, operands, strict=True)]
        spent = _sum([*(one.counts for one in operands), counts])
        for place, output in enumerate(node.outputs):
            piece = self._written(node, operands, place)
            self._keep(output, replace(piece, counts={} if place else spent))

    def _is_mask(self, node: Node) -> bool:
        """Return whether it decides, from constants alone, which elements take part."""
        return node.outputs[0].dtype == "bool" and node.outputs[0] in self.constants

    def _keep(self, tensor: Tensor, piece: Piece) -> None:
        """Remember how a tensor is written; give it a name if it needs one."""
        is_used_once = self._uses[tensor] == 1 and tensor not in self.results
        if (is_used_once and len(piece.text) <= _LONG) or (not piece.counts and tensor not in self.results):
            self.pieces[tensor] = piece
            return
        name = self.results.get(tensor) or self._next_name()
        if piece.counts:
            self.steps.append(Step(name, piece.maths, piece.counts, self._times))
        self.pieces[tensor] = named(name)

    def _next_name(self) -> str:
        name = f"{self.letter}{subscript(self.number)}"
        self.number += 1
        return name

    def _piece(self, tensor: Tensor) -> Piece:
        """How a tensor is written; one that comes from elsewhere gets a name."""
        if tensor not in self.pieces:
            self.pieces[tensor] = named(tensor.name or self._next_name())
        return self.pieces[tensor]

    def _written(self, node: Node, operands: Sequence[Piece], place: int) -> Piece:
        match node.op:
            case ops.Constant(name=name) if name:
                return named(_STEP_CONSTANTS.get(name, name))
            case ops.Constant(kind=kind, value=value):
                return number(value, self.size) if kind == "fill" else call(_CONSTANTS.get(kind, kind), ())
            case ops.Map(function=name):
                return function(name, operands)
            case ops.Contract() | ops.Gather() | ops.Scatter() | ops.Fold():
                return FORMS[ops.operation_name(node.op)].of(operands)
            case ops.Reduce(function=name):
                return FORMS[_EXTREMES.get(name, name)].of(operands)
            case ops.ArgReduce(function=name):
                return FORMS[_EXTREMES[name]].of(operands) if place == 0 else call(f"arg{name}", operands)
            case ops.Split():
                return FORMS["gather"].of([operands[0], number(place + 1, self.size)])
            case ops.Concat():
                return tuple_of(operands)
            case ops.Random():
                return call("random", ())
            case _ if _passes(node.op):
                return operands[0]
            case _:
                return call(ops.operation_name(node.op), operands)

    # --------------------------------------------------------------- loops
    def _loop(self, node: Node, op: ops.Repeat) -> None:
        """The body once; what it carries goes by one name inside and outside."""
        carried = op.carried
        self._loops += 1
        for place, (inner, outer) in enumerate(zip(op.body.inputs, node.inputs, strict=True)):
            if place < carried:
                self.pieces[inner] = named(self.states[place] if place < len(self.states) else self._next_name())
                continue
            self.pieces[inner] = self._without_costs(outer, self._piece(outer))
            self.constants |= {inner} if outer in self.constants else set()
        before, self._times = self._times, self._times * op.times
        self._uses.update(_uses(op.body.items))
        for state, new in zip(op.body.inputs, op.body.outputs[:carried], strict=False):
            self.results.setdefault(new, self.pieces[state].text + "′" * self._loops)
        for item in op.body.items:
            self._item(item)
        self._times = before
        for outer, inner in zip(node.outputs, op.body.outputs, strict=True):
            self.pieces[outer] = replace(self._piece(inner), counts={})

    def _without_costs(self, tensor: Tensor, piece: Piece) -> Piece:
        """A piece that costs nothing more: an expression with costs becomes a step of its own."""
        if piece.counts:
            name = self._next_name()
            self.steps.append(Step(name, piece.maths, piece.counts, self._times))
            self.pieces[tensor] = piece = named(name)
        return piece


def steps_of_item(work: Executed) -> tuple[Step, ...]:
    """Return the steps of one item with its own numbers: its operands are a, b and so on, its results y."""
    item = work.item
    given = [tensor for tensor in dict.fromkeys(work.operands) if tensor not in work.constants]
    names = {tensor: _OPERANDS[place % len(_OPERANDS)] for place, tensor in enumerate(given)}
    results = {tensor: "y" if place == 0 else f"y{subscript(place + 1)}" for place, tensor in enumerate(item.outputs)}
    writer = Writer(names, results, work.constants, states=STATES)
    return writer.write([*work.before, item])


def _passes(op: ops.Op) -> bool:
    """Return whether an operation only puts elements elsewhere or gives them another type."""
    return isinstance(op, (ops.Move, ops.Window, ops.Cast)) and not isinstance(op, (ops.Split, ops.Concat))


def _uses(items: Sequence[Item]) -> Iterator[Tensor]:
    for node in walk(items):
        yield from node.inputs


def _sum(parts: Iterable[Counts]) -> Counts:
    found: dict[Quantity, list[Dim]] = {}
    for counts in parts:
        for name, amount in counts.items():
            found.setdefault(name, []).append(amount)
    totals = {name: add_all(amounts) for name, amounts in found.items()}
    return {name: amount for name, amount in totals.items() if is_symbolic(amount) or amount != 0}
