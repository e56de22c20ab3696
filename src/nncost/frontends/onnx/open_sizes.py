"""Sizes that a file leaves open, where what stands behind them leaves one possibility."""

from __future__ import annotations

from collections.abc import Mapping

from nncost.dims import is_symbolic
from nncost.errors import ShapeError


def following(error: ShapeError, bound: Mapping[str, int]) -> dict[str, int] | None:
    """Return the value of the one symbol in two sizes that must be equal, or None if that is not what went wrong."""
    if error.sizes is None or is_symbolic(error.sizes[0]) == is_symbolic(error.sizes[1]):
        return None
    import sympy

    formula, number = sorted(error.sizes, key=lambda size: not is_symbolic(size))
    (free, *more) = formula.free_symbols
    if more or str(free) in bound:
        return None
    solutions = sympy.solve(formula - number, free) if formula.is_polynomial(free) else []
    values = [int(value) for value in solutions if value.is_Integer and value >= 0]
    return {str(free).strip("'"): values[0]} if len(values) == 1 else None
