"""Accounts: every row of the ledger as formulas in a card's letters, checked against the ledger's numbers.

Each item of the step is counted on its own and compared with its card; the sum over a layer must then equal the
ledger's row. Where no card fits, the sizes of its operations are multiplied; where that differs, too, the row is kept
as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations

from nncost.counting.quantities import TRAFFIC, Quantity
from nncost.dims import Dim, Shape, add_all, same, substitute, tidy
from nncost.explaining.arithmetic import Term, Terms, bare, terms_of
from nncost.explaining.cards import readings
from nncost.explaining.cards.card import BATCH, INPUT, WEIGHTS, Reading
from nncost.explaining.cards.fan_in import read_fan_in
from nncost.explaining.derivation import (
    Counts,
    backward,
    count_item,
    forward,
    gradient_parts,
    letters_of,
    put_in,
    trace,
)
from nncost.explaining.executed import Executed, Loops, Place, executed, summed_over
from nncost.ir import ops
from nncost.ir.graph import Item, Node, Phase, Region
from nncost.ir.layers import MatMul, Operation, Recurrent
from nncost.pipeline.count import Counted
from nncost.records import field, record, replace

_REMEMBERED = 4096
"""So many kinds and sizes of layers are kept: each is worked out once."""
_FEW_GRADIENTS = 4
"""Up to this many gradients of one layer, every choice of wanted ones is tried."""


@record
class Entry:
    """What one layer does in one phase, ``times`` times: formulas in letters and the amounts they give.

    ``part`` names the gradient; without a ``reading`` there are ``terms`` only, products of sizes, of the ``works``
    that were done. ``family`` are the loops over an index on which the sizes depend.
    """

    place: Place
    part: str
    reading: Reading | None
    formulas: Counts
    amounts: Counts
    times: Dim = 1
    family: Loops = ()
    terms: Terms = field(default_factory=dict)
    works: tuple[Executed, ...] = ()

    def total(self, quantity: Quantity) -> Dim:
        """The amount of one quantity over all repetitions."""
        return summed_over(self.amounts.get(quantity, 0) * self.times, self.family)


@record
class Accounts:
    """All entries in the order of execution, the operation each layer is named after, what ran, and where cards fit."""

    entries: tuple[Entry, ...]
    main_operation: Mapping[str, str] = field(default_factory=dict)
    executed: Sequence[Executed] = ()
    with_cards: frozenset[Place] = frozenset()

    def of(self, phase: Phase, quantity: Quantity | None = None) -> list[Entry]:
        """The entries of a phase that have some of a quantity."""
        chosen = [entry for entry in self.entries if entry.place[2] == phase]
        return [e for e in chosen if quantity is None or e.amounts.get(quantity, 0) != 0]


def accounts_of(counted: Counted, *, valid_taps: bool) -> Accounts:
    """The accounts of one micro-batch."""
    works = executed(counted)
    matcher = _CardMatcher(counted, works, valid_taps)
    by_place: dict[Place, list[Entry]] = defaultdict(list)
    for work in works:
        by_place[work.place] += matcher.entries(work)
    meaning = counted.model.trace.meaning if counted.model.trace is not None else {}
    if meaning:
        by_place = {place: [_meant(entry, meaning) for entry in given] for place, given in by_place.items()}
    rows = _ledger_rows(counted)
    entries: list[Entry] = []
    for place in dict.fromkeys((*by_place, *rows)):
        entries += _checked(place, _gathered(by_place.get(place, [])), rows.get(place, {}))
    main: dict[str, str] = {}
    for entry in entries:
        if entry.place[2] in ("forward", "loss"):
            main.setdefault(entry.place[0], entry.place[1])
    with_cards = frozenset(entry.place for entry in entries if entry.reading is not None)
    return Accounts(tuple(entries), main, works, with_cards)


def _meant(entry: Entry, meaning: Mapping[Dim, Dim]) -> Entry:
    """The entry with what its symbols stand for."""

    def put(size: Dim | Shape) -> Dim | Shape:
        return tuple(map(put, size)) if isinstance(size, tuple) else substitute(size, meaning)

    amounts = {name: substitute(amount, meaning) for name, amount in entry.amounts.items()}
    terms = {name: (bare(amount),) for name, amount in amounts.items() if name in entry.terms}
    reading = None if entry.reading is None else replace(entry.reading, sizes=tuple(map(put, entry.reading.sizes)))
    return replace(entry, reading=reading, amounts=amounts, terms=terms)


def _ledger_rows(counted: Counted) -> dict[Place, Counts]:
    found: dict[Place, dict[Quantity, list[Dim]]] = {}
    for row in counted.ledger.rows:
        if row.quantity not in (*TRAFFIC, "flops"):
            found.setdefault((row.path, row.op, row.phase), {}).setdefault(row.quantity, []).append(row.amount)
    return {place: {name: add_all(parts) for name, parts in counts.items()} for place, counts in found.items()}


def _gathered(entries: Sequence[Entry]) -> list[Entry]:
    """The entries of one row; those without a card are one, where the first of them stands."""
    plain = [entry for entry in entries if entry.reading is None and not entry.family]
    if len(plain) < 2:
        return list(entries)
    terms: dict[Quantity, list[Term]] = {}
    for entry in plain:
        for name, given in entry.terms.items():
            terms.setdefault(name, []).extend(replace(term, times=term.times * entry.times) for term in given)
    amounts = {name: add_all(term.amount * term.times for term in given) for name, given in terms.items()}
    works = tuple(work for entry in plain for work in entry.works)
    together = replace(plain[0], amounts=amounts, terms=terms, works=works, times=1)
    rest = [entry for entry in entries if entry.reading is not None or entry.family or entry is plain[0]]
    return [together if entry is plain[0] else entry for entry in rest]


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
    """Finds the card, the wanted gradients and the amounts of each item; items of one kernel are worked out once."""

    def __init__(self, counted: Counted, works: Sequence[Executed], valid_taps: bool) -> None:
        self.valid_taps, self.batch = valid_taps, counted.model.batch
        self.trained = {parameter.path for parameter in counted.step.gradients}
        self.known: dict[str, dict[str, dict[Reading, None]]] = defaultdict(lambda: defaultdict(dict))
        for work in works:
            if work.place[2] == "forward":
                for item in _opened(work.item):
                    name = item.layer.name if isinstance(item, Region) else work.place[1]
                    for reading in readings(item):
                        self.known[work.place[0]][name][reading] = None
        self.found: dict[object, list[Entry]] = {}

    def entries(self, work: Executed) -> list[Entry]:
        """Return what an item does, with the place of its layer and its repetitions."""
        path, _, phase = work.place
        known = self._candidates(work) if phase == "backward" else ()
        key = work.item, phase, known, path in self.trained
        if key not in self.found:
            self.found[key] = self._worked_out(work, known)
        return [replace(e, place=work.place, times=work.times, family=work.family) for e in self.found[key]]

    def _candidates(self, work: Executed) -> tuple[Reading, ...]:
        """The forward readings that a backward item may be the gradient of."""
        path = work.place[0]
        layers = self.known[path]
        if isinstance(work.item, Region) and work.item.layer.name in layers and work.item.phase == "backward":
            return tuple(layers[work.item.layer.name])
        own = dict.fromkeys(reading for origin in work.origins for reading in readings(origin))
        if own or not (len(layers) == 1 or _is_product(work.item)):
            return tuple(own)
        return tuple(dict.fromkeys(reading for by_name in layers.values() for reading in by_name))

    def _worked_out(self, work: Executed, known: Sequence[Reading]) -> list[Entry]:
        item, phase = work.item, work.place[2]
        amounts = count_item(item, set(work.constants), valid_taps=self.valid_taps)
        if phase != "forward" and item.phase == "forward":  # a kernel of the forward pass that ran later
            amounts = {name: amount for name, amount in amounts.items() if name != "activations"}
        whole = Entry(work.place, "", None, {}, amounts)
        if not amounts and isinstance(item, Node):
            return []
        shared = read_fan_in(item) if phase == "backward" else ()
        found = self._gradients(whole, known, item) if phase == "backward" and not shared else None
        if found is None and phase != "backward":
            own = dict.fromkeys((*readings(item), *self.known[work.place[0]].get(work.place[1], ())))
            found = _explained(whole, self._likeliest_first(own))
        if found is None:
            found = _explained(whole, shared or self._likeliest_first(readings(item)))
        return found or self._in_parts(work, known) or [self._plain(whole, work)]

    def _likeliest_first(self, given: Iterable[Reading]) -> list[Reading]:
        """The readings with as many examples as the batch has, then the others."""
        return sorted(given, key=lambda reading: not same(reading.size_of(BATCH, self.batch), self.batch))

    def _plain(self, whole: Entry, work: Executed) -> Entry:
        return replace(whole, terms=terms_of(work, whole.amounts, valid_taps=self.valid_taps), works=(work,))

    def _in_parts(self, work: Executed, known: Sequence[Reading]) -> list[Entry] | None:
        """The parts of a named operation that holds a layer with a card."""
        item = work.item
        if not isinstance(item, Region) or not isinstance(item.layer, Operation):
            return None
        found = [entry for inner in item.items for entry in self._worked_out(replace(work, item=inner), known)]
        return found if any(entry.reading is not None for entry in found) else None

    def _gradients(self, whole: Entry, known: Sequence[Reading], item: Item) -> list[Entry] | None:
        trained = whole.place[0] in self.trained and not _with_weights(item)
        first = WEIGHTS if isinstance(item, Node) and isinstance(item.op, ops.Contract) else ""
        for reading in self._likeliest_first(known):
            for wanted, arriving in _choices(reading, trained, first):
                if _agree(_backward_at(reading, wanted, arriving), whole.amounts):
                    return [
                        replace(whole, part=part, reading=reading, formulas=formulas, amounts=amounts)
                        for part, formulas, amounts in _parts_at(reading, wanted, arriving)
                    ]
        return None


def _opened(item: Item) -> Iterator[Item]:
    """The item and, if it is no more than a named operation, what is inside it."""
    yield item
    if isinstance(item, Region) and isinstance(item.layer, Operation):
        for inner in item.items:
            yield from _opened(inner)


def _is_product(item: Item) -> bool:
    """Return whether an item is a product or a sum, of which frameworks compose the gradients of layers with weights."""
    nodes = [inner for inner in _opened(item) if isinstance(inner, Node) and not isinstance(inner.op, ops.Move)]
    sums = len(nodes) == 1 and isinstance(nodes[0].op, ops.Reduce) and nodes[0].op.function == "sum"
    return sums or _with_weights(item) or any(isinstance(node.op, ops.Contract) for node in nodes)


def _with_weights(item: Item) -> bool:
    """Return whether one operand is learned: such a product in a backward pass gives the gradient of an input."""
    return isinstance(item, Region) and isinstance(item.layer, MatMul) and item.layer.learned


def _explained(whole: Entry, candidates: Iterable[Reading]) -> list[Entry] | None:
    """The entry with the first reading whose formulas give its amounts."""
    for reading in candidates:
        if _agree(_forward_at(reading), whole.amounts):
            return [replace(whole, reading=reading, formulas=forward(reading.card))]
    return None


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


def _choices(reading: Reading, trained: bool, first: str) -> Iterator[tuple[frozenset[str], frozenset[int]]]:
    """Which gradients may be wanted, the likeliest first, and of which outputs they may come.

    A product of two tensors of which none is learned is the gradient ``first``, if the layer has that.
    """
    traced = trace(reading.card)
    labels = frozenset(traced.labelled)
    inputs = {
        label for label, t in traced.labelled.items() if all(t is not p.tensor for p in traced.builder.parameters)
    }
    likely = [labels, labels - inputs] if trained else [frozenset(inputs)]
    likely = [frozenset({first}), *likely] if first in labels else likely
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
