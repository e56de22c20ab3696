"""Accounts: every row of the ledger as formulas in a card's letters, checked against the ledger's numbers.

Each region of the step's graph is counted on its own and compared with its card; the sum over a
layer must then equal the ledger's row. Where either differs, the row is kept without a formula.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations

from nncost.counting.quantities import TRAFFIC, Quantity
from nncost.dims import Dim, add_all, same, sum_over, tidy
from nncost.explaining.cards import readings
from nncost.explaining.cards.card import INPUT, Reading
from nncost.explaining.cards.fan_in import read_fan_in
from nncost.explaining.derivation import (
    Counts,
    backward,
    constant_tensors,
    count_item,
    forward,
    gradient_parts,
    letters_of,
    put_in,
    trace,
)
from nncost.ir import ops
from nncost.ir.graph import Item, Node, Phase, Region, Tensor
from nncost.ir.layers import Recurrent
from nncost.ir.ops import operation_name
from nncost.pipeline.count import Counted
from nncost.records import field, record, replace

Loops = tuple[ops.Repeat, ...]
Place = tuple[str, str, Phase]
"""Path, operation and phase: a row of the ledger."""

_REMEMBERED = 4096
"""So many kinds and sizes of layers are kept: each is worked out once."""
_FEW_GRADIENTS = 4
"""Up to this many gradients of one layer, every choice of wanted ones is tried."""


@record
class Entry:
    """What one layer does in one phase, ``times`` times: formulas in letters and the amounts they give.

    ``part`` names the gradient; without a ``reading`` there are amounts only. ``family`` are the
    loops over an index on which the sizes depend.
    """

    place: Place
    part: str
    reading: Reading | None
    formulas: Counts
    amounts: Counts
    times: Dim = 1
    family: Loops = ()

    def total(self, quantity: Quantity) -> Dim:
        """The amount of one quantity over all repetitions."""
        return summed_over(self.amounts.get(quantity, 0) * self.times, self.family)


@record
class Accounts:
    """All entries in the order of execution, and the operation each layer is named after."""

    entries: tuple[Entry, ...]
    main_operation: Mapping[str, str] = field(default_factory=dict)

    def of(self, phase: Phase, quantity: Quantity | None = None) -> list[Entry]:
        """The entries of a phase that have some of a quantity."""
        chosen = [entry for entry in self.entries if entry.place[2] == phase]
        return [e for e in chosen if quantity is None or e.amounts.get(quantity, 0) != 0]


def accounts_of(counted: Counted, *, valid_taps: bool) -> Accounts:
    """The accounts of one micro-batch."""
    items = counted.step.graph.items
    matcher = _CardMatcher(counted, constant_tensors(items), valid_taps)
    by_place: dict[Place, list[Entry]] = defaultdict(list)
    for item, loops in walk_layers(items, ()):
        for entry in matcher.entries(item, loops):
            by_place[entry.place].append(entry)
    rows = _ledger_rows(counted)
    entries: list[Entry] = []
    for place in dict.fromkeys((*by_place, *rows)):
        entries += _checked(place, by_place.get(place, []), rows.get(place, {}))
    main: dict[str, str] = {}
    for entry in entries:
        if entry.place[2] == "forward":
            main.setdefault(entry.place[0], entry.place[1])
    return Accounts(tuple(entries), main)


def walk_layers(items: Sequence[Item], loops: Loops) -> Iterator[tuple[Item, Loops]]:
    """Regions and single nodes with the loops around them; regions are not entered."""
    for item in items:
        if isinstance(item, Node) and isinstance(item.op, ops.Repeat):
            yield from walk_layers(item.op.body.items, (*loops, item.op))
        else:
            yield item, loops


def _ledger_rows(counted: Counted) -> dict[Place, Counts]:
    found: dict[Place, dict[Quantity, list[Dim]]] = {}
    for row in counted.ledger.rows:
        if row.quantity not in TRAFFIC:
            found.setdefault((row.path, row.op, row.phase), {}).setdefault(row.quantity, []).append(row.amount)
    return {place: {name: add_all(parts) for name, parts in counts.items()} for place, counts in found.items()}


def _checked(place: Place, entries: list[Entry], row: Counts) -> list[Entry]:
    """The entries if they add up to the ledger's row, the row itself otherwise."""
    names = {name for entry in entries for name in entry.amounts} | set(row)
    for name in names:
        if not _equal(add_all(entry.total(name) for entry in entries), row.get(name, 0)):
            return [Entry(place, "", None, {}, row)] if row else []
    return entries


def _equal(left: Dim, right: Dim) -> bool:
    """Return whether two amounts are equal for all values of their symbols, also if one is a sum of several Σ."""
    return same(left, right) or tidy(left) == tidy(right)


class _CardMatcher:
    """Finds the card, the wanted gradients and the amounts of each item."""

    def __init__(self, counted: Counted, constants: set[Tensor], valid_taps: bool) -> None:
        self.constants, self.valid_taps = constants, valid_taps
        self.trained = {parameter.path for parameter in counted.step.gradients}
        self.known: dict[tuple[str, str], dict[Reading, None]] = defaultdict(dict)
        for item, _ in walk_layers(counted.model.graph.items, ()):
            if isinstance(item, Region):
                self.known[item.path, item.layer.name] |= dict.fromkeys(readings(item))

    def entries(self, item: Item, loops: Loops) -> list[Entry]:
        amounts = count_item(item, self.constants, valid_taps=self.valid_taps)
        name = item.layer.name if isinstance(item, Region) else operation_name(item.op)
        place: Place = (item.path, name, item.phase)
        whole = Entry(place, "", None, {}, amounts, *repetition(loops))
        if not amounts and isinstance(item, Node):
            return []
        if item.phase == "forward":
            return [_explained(whole, self.known[whole.place[:2]])]
        shared = read_fan_in(item)
        if item.phase == "backward" and not shared:
            return self._backward(whole)
        return [_explained(whole, shared or readings(item))]

    def _backward(self, whole: Entry) -> list[Entry]:
        path, name, _ = whole.place
        for reading in self.known[path, name]:
            for wanted, arriving in _choices(reading, path in self.trained):
                if _agree(_backward_at(reading, wanted, arriving), whole.amounts):
                    return [
                        replace(whole, part=part, reading=reading, formulas=formulas, amounts=amounts)
                        for part, formulas, amounts in _parts_at(reading, wanted, arriving)
                    ]
        return [whole]


def _explained(whole: Entry, candidates: Iterable[Reading]) -> Entry:
    """The entry with the first reading whose formulas give its amounts."""
    for reading in candidates:
        if _agree(_forward_at(reading), whole.amounts):
            return replace(whole, reading=reading, formulas=forward(reading.card))
    return whole


def repetition(loops: Loops) -> tuple[Dim, Loops]:
    """How often the inside of some loops runs, and the loops whose index its sizes depend on."""
    times: Dim = 1
    for loop in loops:
        times = times * loop.times if loop.index is None else times
    return times, tuple(loop for loop in loops if loop.index is not None)


def summed_over(amount: Dim, family: Loops) -> Dim:
    """Return the sum of an amount over the indices of a family of loops."""
    for loop in reversed(family):
        assert loop.index is not None
        amount = sum_over(amount, loop.index, loop.start, loop.last)
    return amount


@lru_cache(maxsize=_REMEMBERED)
def _forward_at(reading: Reading) -> Counts:
    return _at(forward(reading.card), reading)


@lru_cache(maxsize=_REMEMBERED)
def _backward_at(reading: Reading, wanted: frozenset[str], arriving: frozenset[int]) -> Counts:
    return _at(backward(reading.card, wanted, arriving), reading)


@lru_cache(maxsize=_REMEMBERED)
def _parts_at(
    reading: Reading, wanted: frozenset[str], arriving: frozenset[int]
) -> tuple[tuple[str, Counts, Counts], ...]:
    """Each gradient's name, formulas and amounts."""
    parts = gradient_parts(reading.card, wanted, arriving)
    return tuple((part, formulas, _at(formulas, reading)) for part, formulas in parts)


def _at(formulas: Counts, reading: Reading) -> Counts:
    """Formulas with the reading's sizes put in; quantities that vanish are left out."""
    values = dict(zip(letters_of(reading.card), reading.values, strict=True))
    amounts = {name: put_in(formula, values) for name, formula in formulas.items()}
    return {name: amount for name, amount in amounts.items() if amount != 0}


def _agree(left: Counts, right: Counts) -> bool:
    return all(same(left.get(name, 0), right.get(name, 0)) for name in left.keys() | right.keys())


def _choices(reading: Reading, trained: bool) -> Iterator[tuple[frozenset[str], frozenset[int]]]:
    """Which gradients may be wanted, the likeliest first, and of which outputs they may come."""
    traced = trace(reading.card)
    labels = frozenset(traced.labelled)
    inputs = {
        label for label, t in traced.labelled.items() if all(t is not p.tensor for p in traced.builder.parameters)
    }
    likely = [labels, labels - inputs] if trained else [frozenset(inputs)]
    rest = [labels, labels - inputs, labels - {INPUT}, frozenset(inputs)]
    if len(labels) <= _FEW_GRADIENTS:
        rest += [frozenset(some) for size in range(len(labels), 0, -1) for some in combinations(sorted(labels), size)]
    outputs, layer = range(len(traced.region.outputs)), traced.region.layer
    finals = outputs[1 : 1 + len(layer.reverse)] if isinstance(layer, Recurrent) else outputs[1:]
    sources = dict.fromkeys((frozenset(outputs[:1]), frozenset(finals)))
    for wanted in dict.fromkeys(frozenset(choice) for choice in (*likely, *rest)):
        for arriving in sources:
            if wanted and arriving:
                yield wanted, arriving
