"""Conditions that a model asked of its symbols, as short as they can be told: from which size on they hold.

PyTorch asks much that is true of every size but the smallest, such as ``Ne((H - 2)*(W - 2), W - 2)``. Such
conditions are tried at many sizes: those around every number they name, small ones and some large ones.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import sympy

from nncost.errors import SymbolError

_SMALL = 70
_LARGE = (127, 128, 223, 224, 255, 256, 509, 512, 1021, 1024, 4093, 4096, 65521, 65536)
_HIGHEST = 300
"""What holds from a higher size on only is told as it is, unless it names that size."""
_TOGETHER = 60
"""How many sizes of all symbols are tried at last."""
_LEAST = 2
"""Formulas hold for sizes from here on anyway: an axis of one element may be repeated along another."""
_READABLE = 100
"""Nobody reads a longer condition."""
_FEW = 3
"""An equality with a number that so few sizes fulfil fixes a symbol."""


def in_short(conditions: Iterable[Any], factors: Mapping[str, int], ours: Callable[[Any], Any]) -> list[str]:
    """The conditions as text, once each; those that hold from some size on as that, those that always hold not at all.

    Of symbols with a factor the conditions are about their size divided by it. ``ours`` is a side of a condition in
    the form that formulas have.
    """
    parts = {sympy.Symbol(n, integer=True, positive=True): sympy.Symbol(n) / factor for n, factor in factors.items()}
    least: dict[str, int] = {}
    texts: dict[str, None] = {}
    for condition in map(_with_sizes, conditions):
        if _is_trivial(str(condition)):
            continue
        found = _from_which_on(condition)
        if found is None:
            texts[_told(condition, ours, parts)] = None
            continue
        for name, size in found.items():
            least[name] = max(size, least.get(name, _LEAST))
    told = [text for text in texts if len(text) <= _READABLE]
    more = [f"{len(texts) - len(told)} more conditions on them hold"] if len(texts) > len(told) else []
    bounds = [f"{name} >= {size * factors.get(name, 1)}" for name, size in sorted(least.items()) if size > _LEAST]
    return [*bounds, *told, *more]


def fixes(condition: Any, example: Mapping[str, int]) -> bool:
    """Whether a condition fixes a symbol to a number, or to very few."""
    if not isinstance(condition, sympy.Eq) or not any(side.is_number for side in condition.args):
        return False
    symbols = sorted(condition.free_symbols, key=str)
    if len(symbols) != 1:
        return False
    holds, name = _function(condition), str(symbols[0])
    return sum(holds({name: size}) for size in range(1, 4 * example.get(name, 1))) <= _FEW


def _is_trivial(text: str) -> bool:
    """Conditions that sizes of two or more fulfil."""
    return (text.startswith("Ne(") and text.endswith((", 1)", ", 0)"))) or text.endswith((">= 2", "> 1", ">= 0", "> 0"))


def _with_sizes(condition: Any) -> Any:
    """The condition without ``Max(1, size)``, which is the size: PyTorch takes no axis for empty in a stride."""
    if not isinstance(condition, sympy.Basic):
        return condition
    largest = [part for part in sympy.preorder_traversal(condition) if type(part).__name__ == "Max" and 1 in part.args]
    sizes = {part: type(part)(*rest) for part in largest if len(rest := [x for x in part.args if x != 1]) == 1}
    return condition.xreplace(sizes) if sizes else condition


def _told(condition: Any, ours: Callable[[Any], Any], parts: Mapping[Any, Any]) -> str:
    """The condition as text, as PyTorch asked it or without what both sides have in common."""
    texts = [str(condition.xreplace(parts))]
    if isinstance(condition, sympy.core.relational.Relational):
        try:
            left, right = (sympy.sympify(ours(side)) for side in condition.args)
        except SymbolError:
            return texts[0]
        common = sympy.gcd(left, right)
        texts.append(str(condition.func(sympy.cancel(left / common), sympy.cancel(right / common)).xreplace(parts)))
    return min(texts, key=len)


def _from_which_on(condition: Any) -> Mapping[str, int] | None:
    """The size of each symbol from which on a condition holds; None if there is none.

    While sizes are found at which it does not hold, the smallest is raised of those that change that.
    """
    names = sorted(str(free) for free in getattr(condition, "free_symbols", ()))
    if not names:
        return {} if condition == True else None  # noqa: E712 - SymPy's own truth
    named = [abs(int(number)) for number in condition.atoms(sympy.Integer)]
    tried, holds = _tried(named), _function(condition)
    highest = max(_HIGHEST, *(number + 1 for number in named), 0)
    found = dict.fromkeys(names, 1)
    while (failed := next((sizes for sizes in _sizes(found, tried) if not holds(sizes)), None)) is not None:
        helps = [name for name in names if any(holds({**failed, name: size}) for size in _LARGE)]
        smallest = min(helps or names, key=lambda name: failed[name])
        found[smallest] = next((size for size in tried if size > failed[smallest]), highest + 1)
        if found[smallest] > highest:
            return None
    return found


def _tried(named: Iterable[int]) -> list[int]:
    around = {k * number + offset for number in named for k in (1, 2, 3) for offset in (-1, 0, 1)}
    return sorted({size for size in {*range(1, _SMALL), *_LARGE, *around} if size > 0})


def _sizes(least: Mapping[str, int], tried: Sequence[int]) -> Iterator[dict[str, int]]:
    """Sizes to try: one symbol after another through all, the others at their least or large; then all at random."""
    choice = random.Random(len(least))  # noqa: S311 - the same sizes each time
    for one in least:
        for others in (dict(least), {name: choice.choice(_LARGE) for name in least}):
            yield from ({**others, one: size} for size in tried if size >= least[one])
    for _ in range(_TOGETHER if len(least) > 1 else 0):
        yield {name: choice.choice([size for size in tried if size >= first]) for name, first in least.items()}


def _function(condition: Any) -> Callable[[Mapping[str, int]], bool]:
    """Whether the condition holds at sizes, compiled; where it cannot be told it does not."""
    from torch.utils._sympy.printers import PythonPrinter

    names = {free: sympy.Symbol(f"s{number}") for number, free in enumerate(condition.free_symbols)}
    arguments = {str(free): str(named) for free, named in names.items()}
    code = compile(PythonPrinter().doprint(condition.xreplace(names)), "condition", "eval")

    def holds(sizes: Mapping[str, int]) -> bool:
        try:
            return bool(eval(code, {"math": math}, {arguments[name]: size for name, size in sizes.items()}))  # noqa: S307
        except (ArithmeticError, TypeError, NameError):
            return False

    return holds
