"""Formulas by running the counting rules on letters: what a card's layer costs, forward and backward."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, cast

from nncost.counting.ledger import Ledger, count_graph
from nncost.counting.quantities import TRAFFIC, Quantity
from nncost.dims import Dim, add_all, factored, is_symbolic
from nncost.explaining.cards.card import INPUT, Card
from nncost.ir import ops
from nncost.ir.autodiff import differentiate
from nncost.ir.builder import Builder, outer_tensors
from nncost.ir.free import folds
from nncost.ir.graph import Graph, Item, Node, Region, Role, Tensor, walk
from nncost.records import record

Counts = Mapping[Quantity, Dim]
_TOLERANCE = 4
"""Characters by which a factored formula may be longer than the expanded one."""


@record
class Traced:
    """A card's layer built from letters."""

    builder: Builder
    region: Region
    labelled: Mapping[str, Tensor]
    loss: bool


@cache
def letters_of(card: Card) -> tuple[Dim, ...]:
    """Return one symbol per letter; they differ from every symbol a source can name."""
    import sympy

    return tuple(cast("Dim", sympy.Dummy(name, integer=True, positive=True)) for name in card.letters)


@cache
def trace(card: Card) -> Traced:
    """Return the region that the card's composite emits for letters."""
    b = Builder(training=card.training)
    labelled = card.build(b, dict(zip(card.letters, letters_of(card), strict=True)))
    region = b.items[-1]
    assert isinstance(region, Region)
    return Traced(b, region, labelled, region.phase == "loss")


@cache
def forward(card: Card) -> Counts:
    """Return the amounts of the layer's forward pass (or of a loss) in letters."""
    traced = trace(card)
    return count_item(traced.region, constant_tensors(traced.builder.items))


@cache
def blocks(card: Card) -> tuple[tuple[Role, str, Dim], ...]:
    """Return role, name and size of each of the layer's parameters."""
    return tuple((p.role, p.tensor.name, p.tensor.elements) for p in trace(card).builder.parameters)


@cache
def backward(card: Card, wanted: frozenset[str], arriving: frozenset[int]) -> Counts:
    """Return the amounts of the layer's backward pass for the wanted gradients, given those of the arriving outputs."""
    traced = trace(card)
    b = Builder(training=True, phase="backward")
    outputs = traced.region.outputs
    seeds = [(outputs[i], b.input(outputs[i].shape)) for i in sorted(arriving)]
    inputs = {traced.labelled[label]: "layer" for label in sorted(wanted)}
    differentiate(b, [traced.region], seeds, inputs)
    constants = constant_tensors((traced.region, *b.items))
    layer = traced.region.layer
    found = [count_item(item, constants) for item in b.items if isinstance(item, Region) and item.layer == layer]
    return found[0] if found else {}


@cache
def gradient_parts(card: Card, wanted: frozenset[str], arriving: frozenset[int]) -> tuple[tuple[str, Counts], ...]:
    """Return the backward pass split by gradient if the parts add up to the whole; otherwise the whole."""
    whole = backward(card, wanted, arriving)
    ordered = sorted((label for label in trace(card).labelled if label in wanted), key=lambda label: label == INPUT)
    parts = [(label, backward(card, frozenset({label}), arriving)) for label in ordered]
    together = {name: add_all(counts.get(name, 0) for _, counts in parts) for name in whole}
    if len(parts) > 1 and all(_expanded(together[name] - whole[name]) == 0 for name in whole):
        return tuple(parts)
    return (("" if len(ordered) != 1 else ordered[0], whole),)


def constant_tensors(items: Sequence[Item], known: Collection[Tensor] = ()) -> set[Tensor]:
    """Return the tensors that depend only on constants, which the ledger leaves out; Repeat bodies included."""
    found = set(known)
    for node in walk(items):
        if isinstance(node.op, ops.Repeat):
            pairs = list(zip(node.op.body.inputs, node.inputs, strict=True))[node.op.carried :]
            found |= constant_tensors(node.op.body.items, {inner for inner, outer in pairs if outer in found})
        elif folds(node, found):
            found.update(node.outputs)
    return found


def count_item(item: Item, constants: set[Tensor], *, valid_taps: bool = False) -> Counts:
    """Return what one item costs on its own, in every quantity but memory traffic."""
    fakes = tuple(
        Node(ops.Constant("fill", tensor.shape, tensor.dtype), (), (tensor,), item.path, item.phase)
        for tensor in outer_tensors([item], (), set())
        if tensor in constants
    )
    return _amounts(count_graph(Graph((), (), (), (*fakes, item)), valid_taps=valid_taps))


def _amounts(ledger: Ledger) -> Counts:
    found: dict[Quantity, list[Dim]] = {}
    for row in ledger.rows:
        if row.quantity not in TRAFFIC:
            found.setdefault(row.quantity, []).append(row.amount)
    amounts = {name: simplest(add_all(parts)) for name, parts in found.items()}
    return {name: amount for name, amount in amounts.items() if amount != 0}


def put_in(formula: Dim, values: Mapping[Dim, Dim]) -> Dim:
    """Return the formula with sizes in place of its letters; an integer if all of them are integers."""
    if not is_symbolic(formula):
        return formula
    import sympy

    result = cast("Any", formula).xreplace({letter: sympy.sympify(size) for letter, size in values.items()})
    return int(result) if result.is_Integer else cast("Dim", result)


@lru_cache(maxsize=4096)
def simplest(formula: Dim) -> Dim:
    """Return the factored form, or the expanded one if that is shorter."""
    if not is_symbolic(formula):
        return formula
    import sympy

    expanded = sympy.expand(formula)
    short = factored(expanded)
    plain = short.as_coeff_Mul()[0] > 0 and len(str(short)) <= len(str(expanded)) + _TOLERANCE
    best = short if plain else expanded
    return int(best) if best.is_Integer else cast("Dim", best)


def _expanded(formula: Dim) -> Dim:
    if not is_symbolic(formula):
        return formula
    import sympy

    return cast("Dim", sympy.expand(formula))
