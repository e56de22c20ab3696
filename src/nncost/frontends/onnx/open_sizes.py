"""Sizes that a file leaves open, where what stands behind them leaves one possibility, or a range of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nncost.dims import is_symbolic, substitute
from nncost.errors import ShapeError
from nncost.records import record

MAX_SIZE = 2**20
"""The largest size that is looked for."""


@record
class FollowingSize:
    """The value of a symbol: the only one that fits what stands behind it, or one ``least`` to ``most``."""

    name: str
    value: int
    least: int
    most: int

    @property
    def note(self) -> str:
        """What a reader should know."""
        if self.least == self.most:
            return f"The size {self.name} is {self.value}, as what it is used for says."
        return (
            f"The size {self.name} is taken to be {self.value}: what it is used for needs {self.least} to {self.most}. "
            f"Another:  --set {self.name}=…"
        )


def following(error: ShapeError, bound: Mapping[str, int]) -> FollowingSize | None:
    """Return the value of the one symbol in two sizes that must be equal, or None if that is not what went wrong."""
    if error.sizes is None or is_symbolic(error.sizes[0]) == is_symbolic(error.sizes[1]):
        return None
    formula, number = sorted(error.sizes, key=lambda size: not is_symbolic(size))
    (free, *more) = formula.free_symbols
    name = str(free).strip("'")
    if more or name in bound:
        return None
    found = _range(formula, free, int(number))
    if found is None:
        return None
    least, most = found
    return FollowingSize(name, _roundest(formula, free, least, most), least, most)


def _range(formula: Any, free: Any, number: int) -> tuple[int, int] | None:
    """The smallest and the largest size at which a formula that grows with it is the number."""
    least = _first(formula, free, number)
    beyond = _first(formula, free, number + 1)
    if least >= beyond or _at(formula, free, least) != number or _at(formula, free, beyond - 1) != number:
        return None
    return least, beyond - 1


def _first(formula: Any, free: Any, number: int) -> int:
    """The first size at which a formula that grows with it reaches the number."""
    low, high = 0, 1
    while high < MAX_SIZE and _at(formula, free, high) < number:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if _at(formula, free, middle) < number else (low, middle)
    return low


def _at(formula: Any, free: Any, size: int) -> Any:
    return substitute(formula, {free: size})


def _roundest(formula: Any, free: Any, least: int, most: int) -> int:
    """Of several sizes the one that divisions in the formula leave no remainder of, else the smallest one."""
    import sympy

    steps = [term.coeff(free).q for part in formula.atoms(sympy.floor) for term in part.args if term.coeff(free) != 0]
    step = max(steps, default=1)
    multiple = -(-least // step) * step
    return multiple if multiple <= most else least
