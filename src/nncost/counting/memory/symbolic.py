"""Peaks where sizes are symbols: the largest of few polynomials, each the bytes in use at one moment.

Sums run over the moments as tables from monomial to coefficient. A moment drops out where another one, or
a mixture of two, is at least as large for all sizes of one or more: with each symbol written as 1 + t,
no coefficient may be smaller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import combinations, product
from math import comb
from typing import Any

import sympy

from nncost.counting.memory.memory import Candidate, TimelineRow
from nncost.counting.memory.timeline import NoPeaksError, Peaks, events, workspace_of
from nncost.dims import Dim, largest
from nncost.ir.storage import Allocation, Timeline
from nncost.records import record

Table = dict[Any, Any]
"""Coefficients by monomial: a SymPy product, 1 for the number."""
_SAMPLES = (0, 3, 31, 1_023)
"""Values of t at which winners are looked for; more of them only shorten the search."""
_CONTRASTS = ((0, 1_023), (31, 1_023), (1_023, 0))
"""All symbols but one at the first value, that one at the second."""
_MAX_CONTRASTED = 12
"""Symbols that are set apart from the others in turn."""
_MAX_MIXED = 8
"""Winners of which mixtures are tried."""
_MAX_CROSS_CHECKED = 100
MOST_FORMULAS = 50
"""A peak that is the largest of more formulas than this is not written down."""


@record
class _Moment:
    table: Table
    allocation: Allocation


def symbolic_peaks(timeline: Timeline, resident: Dim) -> Peaks:
    """The peaks of a step as formulas. Raise NoPeaksError if too many of them compete."""
    live: Table = {}
    moments: dict[frozenset[Any], _Moment] = {}
    forward: dict[frozenset[Any], _Moment] = {}
    last: Allocation | None = None
    rows = _Rows(resident)

    def note() -> None:
        if last is not None:
            key = frozenset(live.items())
            moments.setdefault(key, _Moment(dict(live), last))
            if last.phase == "forward":
                forward.setdefault(key, moments[key])

    for is_taken, allocation in events(timeline):
        if not is_taken or (last is not None and last.phase == "forward" != allocation.phase):
            note()
        _add(live, table_of(allocation.bytes), 1 if is_taken else -1)
        last = allocation if is_taken else None
        rows.add(is_taken, allocation, live)
    note()
    winners = _winners(list(moments.values()))
    if len(winners) > MOST_FORMULAS:
        raise NoPeaksError(
            f"Any of {len(winners)} moments may be the peak, depending on the sizes: give some of them numbers."
        )
    candidates = tuple(
        Candidate(_dim(resident + _formula(m.table)), m.allocation.path, m.allocation.phase) for m in winners
    )
    forward_peak = _largest(_winners(list(forward.values())))
    return Peaks(forward_peak, _largest(winners), candidates, workspace_of(timeline), rows.finished())


def _add(live: Table, table: Table, sign: int) -> None:
    for monomial, coefficient in table.items():
        amount = live.get(monomial, 0) + sign * coefficient
        if amount:
            live[monomial] = amount
        else:
            live.pop(monomial, None)


@lru_cache(maxsize=10_000)
def table_of(dim: Dim) -> Table:
    """A size as coefficients by monomial."""
    expanded = sympy.expand(dim)
    return {monomial: _number(c) for monomial, c in expanded.as_coefficients_dict().items() if c}


def _number(coefficient: Any) -> int | Fraction:
    return int(coefficient) if coefficient.is_Integer else Fraction(int(coefficient.p), int(coefficient.q))


def _formula(table: Table) -> Any:
    return sympy.Add(*(_term(monomial, coefficient) for monomial, coefficient in table.items()))


@lru_cache(maxsize=10_000)
def _term(monomial: Any, coefficient: int | Fraction) -> Any:
    return monomial * sympy.Rational(coefficient)


def _dim(expression: Any) -> Dim:
    return int(expression) if expression.is_Integer else expression


def _largest(winners: Sequence[_Moment]) -> Dim:
    """The formula of the only winner, or the largest of several."""
    return largest([_dim(_formula(winner.table)) for winner in winners]) if winners else 0


# ------------------------------------------------------------------- which moments can be the peak
def _winners(moments: Sequence[_Moment]) -> list[_Moment]:
    """The moments that no other, and no mixture of two, exceeds everywhere; the earliest of equals."""
    if len(moments) < 2:
        return list(moments)
    shifted = [_shifted(moment.table) for moment in moments]
    ahead = list(dict.fromkeys(_sampled_winners(shifted)))
    left = [*ahead, *(i for i in range(len(moments)) if i not in ahead and not _is_below(shifted[i], ahead, shifted))]
    if len(left) <= _MAX_CROSS_CHECKED:
        left = [i for i in left if not any(j != i and _beats(shifted[j], shifted[i], j < i) for j in left)]
    return [moments[i] for i in sorted(left)]


def _shifted(table: Table) -> Table:
    """The same sum in t, where each symbol is 1 + t."""
    result: Table = {}
    for monomial, coefficient in table.items():
        for powers, factor in _powers_in_t(monomial):
            result[powers] = result.get(powers, 0) + coefficient * factor
    return result


@lru_cache(maxsize=10_000)
def _powers_in_t(monomial: Any) -> tuple[tuple[Any, int], ...]:
    """A monomial as terms in t: a floor is its least value and what is above it.

    What else is no power of a symbol stands for itself and is not negative.
    """
    factors: list[list[tuple[Any, int]]] = []
    for factor in sympy.Mul.make_args(monomial):
        base, power = factor.as_base_exp()
        if factor == 1:
            continue
        if base.is_Symbol and power.is_Integer and power > 0:
            factors.append([((base, k), comb(int(power), k)) for k in range(int(power) + 1)])
        else:
            least = _least(factor)
            factors.append([*([((factor, 0), least)] if least > 0 else []), ((factor, 1), 1)])
    terms = []
    for choice in product(*factors):
        count = 1
        for _, times in choice:
            count *= times
        terms.append((frozenset(part for part, _ in choice if part[1]), count))
    return tuple(terms)


def _least(factor: Any) -> int:
    """The value of a floor at sizes of one, which is its least if it grows with each of them; else zero."""
    if not isinstance(factor, sympy.floor):
        return 0
    terms = sympy.Add.make_args(sympy.expand(factor.args[0]))
    grows = all(term.is_number or term.as_coeff_Mul()[0] > 0 for term in terms)
    least = factor.xreplace(dict.fromkeys(factor.free_symbols, sympy.Integer(1)))
    return int(least) if grows and least.is_Integer else 0


def _beats(larger: Table, smaller: Table, is_earlier: bool) -> bool:
    """Whether one sum is never below another one; of equal sums the earlier wins."""
    if any(larger.get(key, 0) < amount for key, amount in smaller.items()):
        return False
    if any(amount < 0 and key not in smaller for key, amount in larger.items()):
        return False
    return is_earlier or larger != smaller


def _is_below(table: Table, ahead: Sequence[int], shifted: Sequence[Table]) -> bool:
    """Whether one of the sums ahead, or a mixture of two of them, is never below this one."""
    if any(_beats(shifted[i], table, True) for i in ahead):
        return True
    return any(_mixture_beats(shifted[i], shifted[j], table) for i, j in combinations(ahead[:_MAX_MIXED], 2))


def _mixture_beats(one: Table, other: Table, table: Table) -> bool:
    """Whether λ·one + (1−λ)·other ≥ table in every coefficient, for some λ from 0 to 1."""
    if any(amount > one.get(key, 0) and amount > other.get(key, 0) for key, amount in table.items()):
        return False
    low, high = Fraction(0), Fraction(1)
    for key in {*one, *other, *table}:
        base = other.get(key, 0)
        slope, need = one.get(key, 0) - base, table.get(key, 0) - base
        if slope == 0:
            if need > 0:
                return False
        elif slope > 0:
            if need > 0:
                low = max(low, Fraction(need, slope))
        elif need > slope:
            high = min(high, Fraction(need, slope))
        if low > high:
            return False
    return True


def _sampled_winners(shifted: Sequence[Table]) -> Iterator[int]:
    """Who is largest at sampled sizes."""
    symbols = sorted({part[0] for table in shifted for powers in table for part in powers}, key=str)
    count = range(len(symbols))
    points = [tuple(few for _ in count) for few in _SAMPLES]
    points += [tuple(t if i == k else s for i in count) for k in count[:_MAX_CONTRASTED] for s, t in _CONTRASTS]
    terms = [[(powers, coefficient) for powers, coefficient in table.items()] for table in shifted]
    for point in points:
        value = dict(zip(symbols, point, strict=True))
        weight: dict[Any, int] = {}
        for table in shifted:
            for powers in table:
                if powers not in weight:
                    amount = 1
                    for base, power in powers:
                        amount *= value[base] ** power
                    weight[powers] = amount
        sums = [sum(coefficient * weight[powers] for powers, coefficient in term) for term in terms]
        yield max(range(len(sums)), key=sums.__getitem__)


class _Rows:
    """The timeline's rows so far, as tables."""

    def __init__(self, resident: Dim) -> None:
        self._resident = table_of(resident)
        self._rows: list[tuple[str, str, Table, Table]] = []
        self._live: list[Table] = []

    def add(self, is_taken: bool, allocation: Allocation, live: Table) -> None:
        """Add an event, with the bytes in use after it."""
        if is_taken:
            if not self._rows or self._rows[-1][:2] != (allocation.path, allocation.phase):
                self._rows.append((allocation.path, allocation.phase, {}, {}))
                self._live.append({})
        elif allocation.kind == "gradient" or not self._rows:
            return
        _, _, taken, freed = self._rows[-1]
        _add(taken if is_taken else freed, table_of(allocation.bytes), 1)
        self._live[-1] = dict(self._resident)
        _add(self._live[-1], live, 1)

    def finished(self) -> tuple[TimelineRow, ...]:
        """The rows, with what is resident in their ``live``."""
        return tuple(
            TimelineRow(path, phase, _dim(_formula(taken)), _dim(_formula(freed)), _dim(_formula(live)))
            for (path, phase, taken, freed), live in zip(self._rows, self._live, strict=True)
        )
