"""Elementwise functions of sizes that may be symbols: what follows for every value is computed, the rest is undecided."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np

from nncost.dims import floor_divide, is_symbolic, same

Array = Any


class UndecidedError(ValueError):
    """A result that depends on the value of a symbol."""


def _is_number(value: Any) -> bool:
    return not hasattr(value, "free_symbols") or not value.free_symbols


def _sign_of(value: Any) -> int:
    """The sign of a number or an expression. Raise UndecidedError where it depends on the symbols."""
    if not hasattr(value, "free_symbols"):
        return int(value > 0) - int(value < 0)
    for holds, sign in ((value.is_positive, 1), (value.is_negative, -1), (value.is_zero, 0)):
        if holds:
            return sign
    raise UndecidedError(f"the sign of {value}")


def _floor(value: Any) -> Any:
    return math.floor(value) if not is_symbolic(value) or _is_number(value) else floor_divide(value, 1)


def _trunc(value: Any) -> Any:
    if _is_number(value):
        return int(value)
    if value.is_nonnegative or all(part.is_nonnegative for part in value.as_ordered_terms()):
        return _floor(value)
    if value.is_integer:
        return value
    raise UndecidedError(f"the sign of {value}")


def _round(value: Any) -> Any:
    if _is_number(value):
        return round(value)
    if value.is_integer:
        return value
    raise UndecidedError(f"what {value} is rounded to")


def _quotient(left: Any, right: Any) -> Any:
    """⌊left / right⌋ of sizes, which are not negative."""
    if _is_number(left) and _is_number(right):
        if right == 0:
            raise UndecidedError("a quotient by zero")
        found = abs(int(left)) // abs(int(right))
        return found if (left < 0) == (right < 0) else -found
    return floor_divide(left, right)


def _floor_quotient(left: Any, right: Any) -> Any:
    if _is_number(left) and _is_number(right):
        if right == 0:
            raise UndecidedError("a quotient by zero")
        return int(left) // int(right)
    return floor_divide(left, right)


ASSUMED: ContextVar[list[tuple[Any, Any]] | None] = ContextVar("ASSUMED", default=None)
"""Where pairs of a formula and a number are noted that were taken to differ."""


def _equal(left: Any, right: Any) -> bool:
    """Whether two sizes are equal; one that is a symbol is taken to differ from every number."""
    if is_symbolic(left) == is_symbolic(right):
        return same(left, right)
    noted = ASSUMED.get()
    if noted is not None and (left, right) not in noted:
        noted.append((left, right))
    return False


def _power(base: Any, exponent: Any) -> Any:
    if not _is_number(exponent):
        raise UndecidedError("a power by a symbol")
    whole = int(exponent) if exponent == int(exponent) else exponent
    if abs(whole) > MAX_EXPONENT:
        raise UndecidedError("a power too large to follow")
    return base**whole


MAX_EXPONENT = 64


def _each(function: Callable[..., Any], count: int) -> Callable[..., Array]:
    made = np.frompyfunc(function, count, 1)
    return lambda *x: np.asarray(made(*x), dtype=object)


def _truths(function: Callable[..., Any]) -> Callable[..., Array]:
    made = np.frompyfunc(function, 2, 1)
    return lambda *x: np.asarray(made(*x), dtype=bool)


class SizeFunctions:
    """The namespace of ``scalars.py`` for arrays of sizes; a function that is not here leaves them undecided."""

    absolute = staticmethod(_each(lambda a: a if _sign_of(a) >= 0 else -a, 1))
    sign = staticmethod(_each(_sign_of, 1))
    floor = staticmethod(_each(_floor, 1))
    ceil = staticmethod(_each(lambda a: -_floor(-a), 1))
    trunc = staticmethod(_each(_trunc, 1))
    rint = staticmethod(_each(_round, 1))
    quotient = staticmethod(_each(_quotient, 2))
    floor_quotient = staticmethod(_each(_floor_quotient, 2))
    power = staticmethod(_each(_power, 2))
    maximum = staticmethod(_each(lambda a, c: a if _sign_of(a - c) >= 0 else c, 2))
    minimum = staticmethod(_each(lambda a, c: c if _sign_of(a - c) >= 0 else a, 2))
    select = staticmethod(_each(lambda condition, a, c: a if condition else c, 3))
    greater = staticmethod(_truths(lambda a, c: _sign_of(a - c) > 0))
    greater_equal = staticmethod(_truths(lambda a, c: _sign_of(a - c) >= 0))
    equal = staticmethod(_truths(_equal))
    not_equal = staticmethod(_truths(lambda a, c: not _equal(a, c)))

    def __getattr__(self, name: str) -> Any:
        raise UndecidedError(f"{name} of a size that is a symbol")


SIZES = SizeFunctions()
