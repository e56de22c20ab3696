"""Floors of formulas in one form, so that equal sizes look equal however they came about."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sympy


@lru_cache(maxsize=10_000)
def floor_of(value: Any) -> Any:
    """``⌊value⌋`` with a floor inside drawn out: ``⌊(⌊(H−2)/2⌋ − 1)/2⌋`` is ``⌊H/4⌋ − 1``.

    What is whole stands outside: ``⌊(3·H − 3)/2⌋`` is ``H + ⌊(H + 1)/2⌋ − 2``. ⌊(⌊x⌋ + n)/d⌋ = ⌊(x + n)/d⌋,
    ⌊(n + r)/d⌋ = ⌊(n + ⌊r⌋)/d⌋ and ⌊−n/d⌋ = −⌊(n + d − 1)/d⌋ for integers n, d > 0 and a fraction r.
    """
    number, rest = sympy.expand(value).as_coeff_Add()
    terms = [term.as_coeff_Mul() for term in rest.as_ordered_terms()]
    if not all(factor.is_Rational and bare.is_integer for factor, bare in terms):
        return sympy.floor(value)
    divisor = sympy.ilcm(1, *(factor.q for factor, _ in terms))
    outside = sympy.Add(*(factor * bare for factor, bare in terms if factor.is_integer))
    inside = [(factor * divisor, bare) for factor, bare in terms if not factor.is_integer]
    first = sympy.floor(number * divisor)
    if not inside:
        return outside + first
    whole = sympy.Add(first, *(factor * bare for factor, bare in inside))
    if all(factor < 0 for factor, _ in inside):
        return outside - floor_of((divisor - 1 - whole) / divisor)
    for factor, bare in inside:
        if isinstance(bare, sympy.floor) and factor in (1, -1):
            drawn = bare.args[0] if factor > 0 else _negated(bare.args[0])
            return outside + floor_of((whole - factor * bare + drawn) / divisor)
    times, rest = divmod(first, divisor)
    for factor, bare in inside:
        whole_part = int(factor / divisor)  # towards zero: a difference stays one
        times, rest = times + whole_part * bare, rest + (factor - whole_part * divisor) * bare
    return outside + times + sympy.floor(rest / divisor)


def _negated(value: Any) -> Any:
    """What has the floor ``−⌊value⌋``."""
    numerator, denominator = sympy.fraction(sympy.together(value))
    return (denominator - 1 - numerator) / denominator
