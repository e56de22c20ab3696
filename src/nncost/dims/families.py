"""Formulas over families of widths: sums with equal limits merged, neighbouring terms drawn in."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import sympy


def merge_sums(expression: Any) -> Any:
    """An equal expression in which each kind of term stands in one Sum with the widest limits."""
    sums: dict[tuple[Any, ...], Any] = defaultdict(int)
    rest: dict[Any, Any] = defaultdict(int)
    for term in sympy.Add.make_args(_spread(expression)):
        factor, total = _as_sum(term)
        if total is None:
            coefficient, bare = term.as_coeff_Mul()
            rest[bare] += coefficient
        else:
            index, first, last = total.limits[0]
            for part in sympy.Add.make_args(sympy.expand(total.function)):
                coefficient, bare = (factor * part).as_coeff_Mul()
                sums[(bare, index, first, last)] += coefficient
    merged: dict[tuple[Any, ...], Any] = defaultdict(int)
    for (function, index, first, last), coefficient in sums.items():
        if coefficient == 0:
            continue
        start = first
        while rest.get(function.subs(index, start - 1), 0) == coefficient:
            rest[function.subs(index, start - 1)] = 0
            start -= 1
        merged[(index, start, last)] += coefficient * function
    total = sum(coefficient * bare for bare, coefficient in rest.items())
    return total + sum(_pulled(function, limits) for limits, function in merged.items())


def _spread(expression: Any) -> Any:
    """Expanded outside sums; each Sum an atom while that happens."""
    sums = {part: sympy.Dummy() for part in expression.atoms(sympy.Sum)}
    back = {dummy: part for part, dummy in sums.items()}
    return sympy.expand(expression.xreplace(sums)).xreplace(back)


def _as_sum(term: Any) -> tuple[Any, Any]:
    """A term as (factor, Sum), or (None, None)."""
    factors = sympy.Mul.make_args(term)
    found = [factor for factor in factors if isinstance(factor, sympy.Sum)]
    if len(found) != 1:
        return None, None
    return sympy.Mul(*(factor for factor in factors if factor is not found[0])), found[0]


def _pulled(function: Any, limits: tuple[Any, ...]) -> Any:
    """A Sum with the factors its terms share in front."""
    outside, inside = sympy.factor_terms(sympy.expand(function)).as_independent(limits[0], as_Add=False)
    return outside * sympy.Sum(sympy.expand(inside), limits)
