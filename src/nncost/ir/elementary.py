"""The array namespace of ``execute``: NumPy, extended to arrays of arbitrary scalar objects.

A scalar object answers ``exp log tanh sigmoid erf sin cos arctan arctan2 sqrt sign`` as methods, arithmetic and
comparisons as operators, and ``selected()``, which is called when it takes part in a selection.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any


def _by_method(name: str) -> Callable[[Array], Array]:
    method: Callable[[Array], Array] = np.frompyfunc(lambda scalar: getattr(scalar, name)(), 1, 1)
    return method


def _choose(condition: Any, chosen: Any, otherwise: Any) -> Any:
    for scalar in (chosen, otherwise):
        if hasattr(scalar, "selected"):
            scalar.selected()
            break
    return chosen if condition else otherwise


def _choose_positive(x: Any, chosen: Any, otherwise: Any) -> Any:
    return chosen if x > 0 else otherwise


def _choose_between(x: Any, low: Any, high: Any, chosen: Any) -> Any:
    above, below = x > low, x < high
    return chosen if above and below else 0.0


_float_erf = np.frompyfunc(math.erf, 1, 1)
_object_erf, _object_sigmoid, _object_sign = _by_method("erf"), _by_method("sigmoid"), _by_method("sign")
_object_select = np.frompyfunc(_choose, 3, 1)
_object_where_positive = np.frompyfunc(_choose_positive, 3, 1)
_object_where_between = np.frompyfunc(_choose_between, 4, 1)


def _any_objects(*operands: Array) -> bool:
    return any(operand.dtype == object for operand in operands)


def _logistic(x: Array) -> Array:
    return np.exp(-np.logaddexp(np.zeros((), dtype=x.dtype), -x))


class Arrays:
    """NumPy's functions under the names ``scalars.py`` uses."""

    exp, log, tanh, sqrt = np.exp, np.log, np.tanh, np.sqrt
    sin, cos, arctan, arctan2 = np.sin, np.cos, np.arctan, np.arctan2
    absolute, floor, ceil, rint, trunc = np.absolute, np.floor, np.ceil, np.rint, np.trunc
    maximum, minimum = np.maximum, np.minimum

    def sigmoid(self, x: Array) -> Array:
        """1/(1+e^−x): a large |x| does not overflow, and the result stays between 0 and 1, which have no logarithm."""
        if x.dtype == object:
            return _object_sigmoid(x)
        if x.dtype.kind == "c":
            return 1 / (1 + np.exp(-x))
        limits = np.finfo(x.dtype)
        return np.clip(_logistic(x), limits.tiny, 1 - limits.epsneg)

    def erf(self, x: Array) -> Array:
        """The error function."""
        return _object_erf(x) if x.dtype == object else np.asarray(_float_erf(x), dtype=x.dtype)

    def sign(self, x: Array) -> Array:
        """−1, 0 or 1."""
        return _object_sign(x) if x.dtype == object else np.sign(x)

    def power(self, a: Array, c: Array) -> Array:
        """a to the power of c; a quotient of whole numbers is cut towards zero, that by zero is the lowest number."""
        if a.dtype.kind not in "iu" or c.dtype.kind != "i" or not np.any(c < 0):
            return np.power(a, c)
        sign = np.where(c % 2 == 0, 1, a)
        fraction = np.where(np.abs(a) == 1, sign, np.where(a == 0, np.iinfo(a.dtype).min, 0))
        return np.where(c < 0, fraction, np.power(a, np.maximum(c, 0))).astype(np.result_type(a, c))

    def floor_quotient(self, a: Array, c: Array) -> Array:
        """⌊a/c⌋ of whole numbers; zero by zero."""
        return np.floor_divide(a, c)

    def quotient(self, a: Array, c: Array) -> Array:
        """``a/c`` of whole numbers, cut towards zero."""
        down = np.floor_divide(a, c)
        return down + ((down < 0) & (down * c != a)).astype(down.dtype)

    def remainder(self, a: Array, c: Array) -> Array:
        """``a − c·⌊a/c⌋``, also where one of them is infinite."""
        return a - c * np.floor(a / c) if _any_objects(a, c) else np.remainder(a, c)

    def cut_remainder(self, a: Array, c: Array) -> Array:
        """``a − c·trunc(a/c)``, also where one of them is infinite."""
        return a - c * np.trunc(a / c) if _any_objects(a, c) else np.fmod(a, c)

    def greater(self, a: Array, c: Array) -> Array:
        """``a > c`` as Boolean values."""
        return np.greater(a, c).astype(bool)

    def greater_equal(self, a: Array, c: Array) -> Array:
        """``a >= c`` as Boolean values."""
        return np.greater_equal(a, c).astype(bool)

    def equal(self, a: Array, c: Array) -> Array:
        """``a == c`` as Boolean values."""
        return np.equal(a, c).astype(bool)

    def not_equal(self, a: Array, c: Array) -> Array:
        """``a != c`` as Boolean values."""
        return np.not_equal(a, c).astype(bool)

    def select(self, condition: Array, chosen: Array, otherwise: Array) -> Array:
        """``chosen`` if the condition holds, else ``otherwise``."""
        if _any_objects(chosen, otherwise):
            return _object_select(condition, chosen, otherwise)
        return np.where(condition, chosen, otherwise)

    def where_positive(self, x: Array, chosen: Array, otherwise: Array) -> Array:
        """``chosen`` if ``x > 0``, else ``otherwise``."""
        if _any_objects(x, chosen, otherwise):
            return _object_where_positive(x, chosen, otherwise)
        return np.where(x > 0, chosen, otherwise)

    def where_between(self, x: Array, low: Array, high: Array, chosen: Array) -> Array:
        """``chosen`` if ``low < x < high``, else zero."""
        if _any_objects(x, chosen):
            return _object_where_between(x, low, high, chosen)
        return np.where((low < x) & (x < high), chosen, np.zeros((), dtype=chosen.dtype))


class PlainArrays(Arrays):
    """The same, each function as its type rounds it: the sigmoid of a large number is one."""

    def sigmoid(self, x: Array) -> Array:
        """1/(1+e^−x)."""
        return _logistic(x) if x.dtype.kind == "f" else super().sigmoid(x)


ARRAYS = Arrays()
PLAIN_ARRAYS = PlainArrays()
"""For graphs that are run in the types of their own."""
