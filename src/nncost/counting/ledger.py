"""The ledger: exact amounts by layer, operation and phase, from one walk over the graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from nncost.counting.kernels import Kernels, kernels_of, traffic
from nncost.counting.products import Product, product_of
from nncost.counting.quantities import Quantity
from nncost.counting.rules import costs
from nncost.dims import Dim, add_all, sum_over
from nncost.ir import ops
from nncost.ir.free import folds
from nncost.ir.graph import Graph, Item, Node, Phase, Region, Tensor
from nncost.records import record

if TYPE_CHECKING:
    from nncost.counting.taps import ValidTaps

ESTIMATED = ops.ESTIMATED


class Row(NamedTuple):
    """An amount of one quantity: in which layer, by what operation (and inside it), in which phase.

    Macs say the sizes of the matrix product that they are of, ``product``.
    """

    path: str
    op: str
    inner: str
    phase: Phase
    quantity: Quantity
    amount: Dim
    note: str = ""
    product: Product | None = None


@record
class Unknown:
    """An operation that could not be counted; ``reason`` says why, if that is known."""

    path: str
    op: str
    phase: Phase
    reason: str = ""


@record
class Ledger:
    """Immutable rows, the unknown operations and the operations that are free by rule."""

    rows: tuple[Row, ...]
    unknown: tuple[Unknown, ...] = ()
    free: Mapping[str, int] = field(default_factory=dict)
    neurons: Dim = 0

    @property
    def complete(self) -> bool:
        """Whether every operation was counted or is free by rule."""
        return not self.unknown

    def amount(self, quantity: Quantity, *phases: Phase) -> Dim:
        """The total of one quantity, in the given phases or in all."""
        return add_all(
            row.amount for row in self.rows if row.quantity == quantity and (not phases or row.phase in phases)
        )


_Key = tuple[str, str, str, Phase, Quantity, str, Product | None]


@dataclass(slots=True)
class Tally:
    """Amounts under way; unlike terms are added only once, at the end. ``rows`` are added up already."""

    amounts: dict[_Key, list[Dim]] = field(default_factory=lambda: defaultdict(list))
    rows: list[Row] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)
    free: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    neurons: list[Dim] = field(default_factory=list)

    def add_free(self, free: Mapping[str, int]) -> None:
        """Add operations that are free by rule."""
        for name, times in free.items():
            self.free[name] += times

    def absorb(self, inner: Tally, repeat: ops.Repeat) -> None:
        """Add everything in the body of a Repeat, as often as it runs."""
        for (path, op, inside, phase, quantity, note, product), amounts in inner.amounts.items():
            # Sizes that are others in each iteration are not those of one product.
            of = None if product is not None and product.depends_on(repeat.index) else product
            self.amounts[path, op, inside, phase, quantity, note, of].append(_repeated(repeat, add_all(amounts)))
        self.unknown += inner.unknown
        self.add_free(inner.free)
        self.neurons.append(_repeated(repeat, add_all(inner.neurons)))

    def ledger(self) -> Ledger:
        """Return one row for each key with an amount, and then the rows added up already."""
        own = [
            Row(*key[:5], amount, *key[5:])
            for key, amounts in self.amounts.items()
            if (amount := add_all(amounts)) != 0
        ]
        return Ledger((*own, *self.rows), tuple(self.unknown), dict(self.free), add_all(self.neurons))


def _repeated(repeat: ops.Repeat, amount: Dim) -> Dim:
    if repeat.index is None:
        return amount * repeat.times
    return sum_over(amount, repeat.index, repeat.start, repeat.last)


KernelsOf = dict[Graph, Kernels]
"""The kernels of a graph and of each Repeat's body."""


def count_graph(graph: Graph, *, valid_taps: bool = False, kernels: KernelsOf | None = None) -> Ledger:
    """Walk the graph once. With ``valid_taps``, products with padding are left out; ``kernels`` receives those of each graph."""
    tally = Tally()
    _count_items(tally, graph, set(), valid_taps, {} if kernels is None else kernels)
    return tally.ledger()


def _count_items(tally: Tally, graph: Graph, constants: set[Tensor], valid: bool, kernels: KernelsOf) -> None:
    taps = _valid_taps(graph) if valid else None
    for node, op_name, inner in _named_nodes(tally, graph.items, "", ""):
        if folds(node, constants):
            constants.update(node.outputs)
        elif isinstance(node.op, ops.Repeat):
            body = Tally()
            _count_items(body, node.op.body, _constant_inputs(node, node.op, constants), valid, kernels)
            tally.absorb(_under(body, op_name), node.op)
        else:
            _count_node(tally, node, op_name, inner, taps)
    found = kernels[graph] = kernels_of(graph, constants)
    for path, op_name, inner, phase, quantity, amount in traffic(found):
        tally.amounts[path, op_name, inner, phase, quantity, "", None].append(amount)


def _valid_taps(graph: Graph) -> ValidTaps:
    from nncost.counting.taps import ValidTaps

    return ValidTaps(graph.items)


def _named_nodes(tally: Tally, items: Sequence[Item], op: str, inner: str) -> Iterator[tuple[Node, str, str]]:
    """Nodes with the outermost and the innermost region's name; regions add their activations and neurons."""
    for item in items:
        if isinstance(item, Region):
            name = op or item.layer.name
            if item.masked != 0:
                tally.amounts[item.path, name, item.layer.name, item.phase, "masked_macs", "", None].append(item.masked)
            if item.phase == "forward":
                tally.neurons.append(item.neurons)
                tally.amounts[item.path, name, item.layer.name, item.phase, "activations", "", None].append(
                    item.activations
                )
            yield from _named_nodes(tally, item.items, name, item.layer.name)
        else:
            kind = ops.operation_name(item.op)
            yield item, op or kind, inner or kind


def _under(body: Tally, op_name: str) -> Tally:
    """The rows of a Repeat inside a region carry the region's name."""
    if op_name == "repeat":
        return body
    renamed = Tally(unknown=body.unknown, free=body.free, neurons=body.neurons)
    for (path, _, inner, phase, quantity, note, product), amounts in body.amounts.items():
        renamed.amounts[path, op_name, inner, phase, quantity, note, product] += amounts
    return renamed


def _constant_inputs(node: Node, repeat: ops.Repeat, constants: set[Tensor]) -> set[Tensor]:
    """The body's inputs that are constants in every iteration; a carried value is one at most in the first."""
    pairs = list(zip(repeat.body.inputs, node.inputs, strict=True))[repeat.carried :]
    return {inside for inside, outside in pairs if outside in constants}


def _count_node(tally: Tally, node: Node, op_name: str, inner: str, taps: ValidTaps | None) -> None:
    if isinstance(node.op, ops.Opaque):
        tally.unknown.append(Unknown(node.path, node.op.name, node.phase, node.op.reason))
        return
    counted: Iterable[tuple[Quantity, Dim]] | None = taps.costs(node) if taps is not None else None
    counted = list(counted if counted is not None else costs(node.op, node.inputs, node.outputs))
    if not counted:
        tally.free[ops.operation_name(node.op)] += 1
    note = ESTIMATED if isinstance(node.op, ops.Sort) else getattr(node.op, "note", "")
    product = product_of(node.op, *node.inputs) if isinstance(node.op, ops.Contract) else None
    for quantity, amount in counted:
        of = product if quantity == "macs" else None
        tally.amounts[node.path, op_name, inner, node.phase, quantity, note, of].append(amount)
