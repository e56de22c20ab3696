"""Floors of formulas in one form, so that equal sizes look equal however they came about."""

from __future__ import annotations

from typing import Any

import sympy


def floor_of(value: Any) -> Any:
    """``⌊value⌋`` with a floor inside drawn out: ``⌊(⌊(H−2)/2⌋ − 1)/2⌋`` is ``⌊H/4⌋ − 1``.

    What is whole stands outside: ``⌊(3·H − 3)/2⌋`` is ``H + ⌊(H + 1)/2⌋ − 2``. ⌊(⌊x⌋ + n)/d⌋ = ⌊(x + n)/d⌋ and ⌊(n + r)/d⌋ = ⌊(n + ⌊r⌋)/d⌋ for integers n, d > 0 and a fraction r.
    """
    number, rest = sympy.expand(value).as_coeff_Add()
    terms = [term.as_coeff_Mul() for term in sympy.Add.make_args(rest)]
    if not all(factor.is_Rational and bare.is_integer for factor, bare in terms):
        return sympy.floor(value)
    divisor = sympy.ilcm(1, *(factor.q for factor, _ in terms))
    whole = sum((factor * divisor * bare for factor, bare in terms), sympy.floor(number * divisor))
    if divisor == 1:
        return whole
    for factor, bare in terms:
        if isinstance(bare, sympy.floor) and factor * divisor in (1, -1):
            inside = bare.args[0] if factor > 0 else _negated(bare.args[0])
            return floor_of((whole - factor * divisor * bare + inside) / divisor)
    if whole.as_ordered_terms()[0].as_coeff_Mul()[0] < 0:  # ⌊−n/d⌋ = −⌊(n + d − 1)/d⌋
        return -floor_of((divisor - 1 - whole) / divisor)
    outside, inside = 0, 0
    for term in sympy.Add.make_args(sympy.expand(whole)):
        factor, bare = term.as_coeff_Mul()
        times, rest = divmod(factor, divisor)
        outside, inside = outside + times * bare, inside + rest * bare
    return outside + sympy.floor(inside / divisor)


def _negated(value: Any) -> Any:
    """What has the floor ``−⌊value⌋``: −⌊n/d⌋ = ⌊(d − 1 − n)/d⌋."""
    numerator, denominator = sympy.fraction(sympy.together(value))
    return (denominator - 1 - numerator) / denominator
