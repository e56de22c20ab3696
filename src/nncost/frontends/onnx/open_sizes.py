"""Sizes that a file leaves open, where what stands behind them leaves one possibility, or a range of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from nncost.dims import Dim, is_symbolic, same, substitute
from nncost.ir.size_functions import ASSUMED
from nncost.records import record

MAX_SIZE = 2**20
"""The largest size that is looked for."""


@record
class FollowingSize:
    """The value of a symbol: another symbol, the only number that fits what stands behind it, or one ``least`` to ``most``."""

    name: str
    value: Dim
    least: Dim
    most: Dim

    @property
    def note(self) -> str:
        """What a reader should know."""
        if same(self.least, self.most):
            return f"The size {self.name} is {self.value}, as what it is used for says."
        return (
            f"The size {self.name} is taken to be {self.value}: what it is used for needs {self.least} to {self.most}. "
            f"Another:  --set {self.name}=…"
        )


def noted() -> list[tuple[Any, Any]]:
    """Return the pairs of a formula and a number that were taken to differ: where that goes wrong they are equal."""
    return list(ASSUMED.get() or ())


def following(sizes: tuple[Any, Any] | None, bound: Collection[str]) -> FollowingSize | None:
    """Return the value of the one symbol in two sizes that must be equal, or None if they do not tell."""
    if sizes is None:
        return None
    if is_symbolic(sizes[0]) == is_symbolic(sizes[1]):
        return _same_symbol(*sizes, bound)
    formula, number = sorted(sizes, key=lambda size: not is_symbolic(size))
    if len(formula.free_symbols) != 1:
        return None
    (free,) = formula.free_symbols
    name = str(free).strip("'")
    if name in bound:
        return None
    found = _range(formula, free, int(number))
    if found is None:
        return None
    least, most = found
    return FollowingSize(name, _roundest(formula, free, least, most), least, most)


def _same_symbol(left: Any, right: Any, bound: Collection[str]) -> FollowingSize | None:
    """One symbol that is another; None for anything else."""
    for one, other in ((left, right), (right, left)):
        if getattr(one, "is_Symbol", False) and getattr(other, "is_Symbol", False) and str(one) not in bound:
            return FollowingSize(str(one).strip("'"), other, other, other)
    return None


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
