"""Worked lines: formula, numbers put in, result; like layers merged, and the sum below."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nncost.counting.quantities import Quantity
from nncost.dims import Dim, add_all, is_symbolic
from nncost.documents.document import Line, Maths, Work
from nncost.explaining.accounts import Accounts, Entry
from nncost.explaining.arithmetic import added_up
from nncost.explaining.cards.card import BATCH
from nncost.explaining.derivation import letters_of, put_in, simplest, trace
from nncost.layer_paths import pattern_of, together
from nncost.notation.written import is_sum, multiplied, tidied, written
from nncost.records import record, replace

MERGED_FROM = 4
"""From this many equal layers on, they share one line."""
_LISTED = 3
_NAME = re.compile("[A-Za-z]{2}")
"""What a name must have to say what a layer is: ``0`` and ``n12`` do not."""


@record
class Layers:
    """An entry and the layers it stands for."""

    entry: Entry
    paths: tuple[str, ...]


def work(accounts: Accounts, entries: Sequence[Entry], quantity: Quantity, *, micro_batches: int = 1) -> Work:
    """Return the lines of one quantity and their sum."""
    chosen = [replace(e, times=e.times * micro_batches) for e in entries if e.amounts.get(quantity, 0) != 0]
    lines = tuple(_line(accounts, layers, quantity) for layers in merged(chosen, quantity))
    return summed(lines, add_all(entry.total(quantity) for entry in chosen))


def summed(lines: tuple[Line, ...], total: Dim) -> Work:
    """Return lines with their sum, which a single line does not need."""
    return Work(lines, Line("sum", None, None, tidied(total)) if len(lines) > 1 else None)


# ------------------------------------------------------------------- like layers
def merged(entries: Sequence[Entry], quantity: Quantity | None = None) -> list[Layers]:
    """Return one item per layer whose entries are equal, and one per group of many equal layers."""
    groups: dict[object, list[Entry]] = {}
    for number, entry in enumerate(entries):
        path, operation, phase = entry.place
        terms = tuple((name, tuple(given)) for name, given in entry.terms.items())
        letters: object = (entry.reading, entry.part) if entry.reading is not None else terms or number
        groups.setdefault((operation, phase, letters, entry.family, kind(path)), []).append(entry)
    result: list[tuple[int, Layers]] = []
    for members in groups.values():
        by_path: dict[str, list[Entry]] = {}
        for entry in members:
            by_path.setdefault(entry.place[0], []).append(entry)
        alike = [_together(same_path) for same_path in by_path.values()]
        first = entries.index(members[0])
        if len(alike) >= MERGED_FROM:
            result.append((first, Layers(_together(alike), tuple(by_path))))
        else:
            result += [(entries.index(by_path[e.place[0]][0]), Layers(e, (e.place[0],))) for e in alike]
    return [layers for _, layers in sorted(result, key=lambda pair: pair[0])]


def _together(entries: Sequence[Entry]) -> Entry:
    return replace(entries[0], times=simplest(add_all(entry.times for entry in entries)))


def named(paths: Sequence[str], suffix: str = "") -> str:
    """Return ``layers.0-31.mlp ×32``, or ``n1 … n30 (7 alike)`` for layers whose numbers are no names of their own."""
    names = [name for name, _ in together(paths)]
    if len(names) <= _LISTED:
        return (", ".join(names) + suffix).strip() + (f" ×{len(paths):,}" if len(paths) > 1 else "")
    ordered = sorted(paths, key=_place)
    return f"{ordered[0]} … {ordered[-1]}{suffix} ({len(paths):,} alike)"


def _place(path: str) -> list[tuple[int, str]]:
    """Numbers in a path compared as numbers."""
    return [(int(piece), "") if piece.isdigit() else (0, piece) for piece in re.split(r"(\d+)", path)]


def kind(path: str) -> object:
    """Return what must agree for layers to share a line: the path without its numbers, or without all its digits."""
    pattern = pattern_of(path)
    return pattern if None in pattern else re.sub(r"\d+", "", path)


def gathered(lines: Sequence[tuple[Line, Dim]]) -> Work:
    """Return lines with their sum; many equal ones share a line."""
    groups: dict[object, list[int]] = {}
    for number, (line, _) in enumerate(lines):
        groups.setdefault((line.formula, line.numbers, line.result, kind(line.label)), []).append(number)
    result: dict[int, Line] = {}
    for numbers in groups.values():
        if len(numbers) < MERGED_FROM:
            result |= {number: lines[number][0] for number in numbers}
        else:
            result[numbers[0]] = _many([lines[number] for number in numbers])
    return summed(tuple(result[number] for number in sorted(result)), add_all(amount for _, amount in lines))


def _many(members: Sequence[tuple[Line, Dim]]) -> Line:
    line, count = members[0][0], len(members)
    formula = None if line.formula is None else multiplied(count, line.formula, loose=_loose(line.formula))
    one = line.numbers or line.result
    total = tidied(add_all(amount for _, amount in members))
    paths, suffixes = zip(*(member.label.partition(" ")[::2] for member, _ in members), strict=True)
    label = named(paths, f" {suffixes[0]}".rstrip())
    return Line(label, formula, multiplied(count, one, loose=_loose(one)), total)


def _loose(maths: Maths) -> bool:
    return bool(re.search(r" [+−] (?![^(]*\))", maths.text))


# ------------------------------------------------------------------- one line
def _line(accounts: Accounts, layers: Layers, quantity: Quantity) -> Line:
    entry = layers.entry
    result = tidied(entry.total(quantity))
    formula, numbers = _derived(entry, quantity)
    if numbers is not None and numbers.text == result.text:
        numbers = None
    if formula is not None and formula.text == result.text:
        formula = None
    if formula is not None and numbers is not None and formula.text == numbers.text:
        numbers = None
    return Line(label(accounts, layers), formula, numbers, result)


def label(accounts: Accounts, layers: Layers) -> str:
    """Return the layers' names, with the operation and the gradient if the names alone are ambiguous."""
    path, operation, phase = layers.entry.place
    main = accounts.main_operation.get(path, operation)
    is_told = main.lower() in path.lower() or _NAME.search(path.rpartition(".")[2])
    suffix = "" if is_told or phase == "loss" else f" {main}"
    suffix += f" {operation}" if operation != main and phase != "update" else ""
    suffix += " other operations" if layers.entry.reading is None and layers.entry.place in accounts.with_cards else ""
    card = layers.entry.reading.card if layers.entry.reading is not None else None
    if layers.entry.part and card is not None and len(trace(card).labelled) > 1:
        suffix += f" {layers.entry.part}"
    return named(layers.paths, suffix)


def _derived(entry: Entry, quantity: Quantity) -> tuple[Maths | None, Maths | None]:
    """The formula in letters and with numbers put in; sizes alone without a card."""
    if entry.reading is None:
        terms = entry.terms.get(quantity, ())
        numbers = added_up(terms) if terms else None
        if numbers is None or entry.times == 1:
            return None, numbers
        return None, multiplied(entry.times, numbers, loose=len(terms) > 1 and " + " in numbers.text)
    letters = letters_of(entry.reading.card)
    values = dict(zip(letters, entry.reading.values, strict=True))
    one = {
        x: 1 for x, name in zip(letters, entry.reading.card.letters, strict=True) if name == BATCH and values[x] == 1
    }
    formula = simplest(put_in(entry.formulas[quantity], one))
    if not is_symbolic(formula):
        return None, None if entry.times == 1 else _repeated(entry, formula, written(formula))
    in_letters = written(formula, letters)
    in_numbers = written(formula, letters, dict(zip(letters, entry.reading.sizes, strict=True)))
    return _repeated(entry, formula, in_letters), _repeated(entry, formula, in_numbers)


def _repeated(entry: Entry, formula: Dim, inner: Maths) -> Maths:
    """The formula times the repetitions of the layer, or summed over its family."""
    if entry.times != 1:
        inner = multiplied(entry.times, inner, loose=is_sum(formula))
    for loop in reversed(entry.family):
        held = Maths(f"({inner.text})", rf"\left({inner.latex}\right)") if is_sum(formula) else inner
        index, first, last = (written(dim) for dim in (loop.index, loop.start, loop.last))
        inner = Maths(
            f"Σ[{index.text}={first.text}…{last.text}] {held.text}",
            rf"\sum_{{{index.latex}={first.latex}}}^{{{last.latex}}} {held.latex}",
        )
    return inner
