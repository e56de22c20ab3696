"""Conditions that a model asked of its symbols, as short as they can be told: from which size on they hold.

PyTorch asks much that is true of every size but the smallest, such as ``Ne((H - 2)*(W - 2), W - 2)``. Such
conditions are tried at many sizes: those around every number they name, small ones and some large ones.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import sympy

_SMALL = 70
_LARGE = (127, 128, 223, 224, 255, 256, 509, 512, 1021, 1024, 4093, 4096, 65521, 65536)
_OTHERS = 4
"""How many sizes the other symbols have while one is tried."""
_TOGETHER = 60
"""How many sizes of all symbols are tried at last."""
_LEAST = 2
"""Formulas hold for sizes from here on anyway: an axis of one element may be repeated along another."""
_FEW = 3
"""An equality with a number that so few sizes fulfil fixes a symbol."""


def in_short(conditions: Iterable[Any]) -> list[str]:
    """The conditions as text, once each; those that hold from some size on as that, those that always hold not at all."""
    least: dict[str, int] = {}
    texts: dict[str, None] = {}
    for condition in map(_with_sizes, conditions):
        if _is_trivial(str(condition)):
            continue
        found = _from_which_on(condition)
        if found is None:
            texts[str(condition)] = None
            continue
        for name, size in found.items():
            least[name] = max(size, least.get(name, _LEAST))
    return [*(f"{name} >= {size}" for name, size in sorted(least.items()) if size > _LEAST), *texts]


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


def _from_which_on(condition: Any) -> Mapping[str, int] | None:
    """The size of each symbol from which on a condition holds; None if there is none."""
    names = sorted(str(free) for free in getattr(condition, "free_symbols", ()))
    if not names:
        return {} if condition == True else None  # noqa: E712 - SymPy's own truth
    choice, tried, holds = random.Random(len(names)), _tried(condition), _function(condition)  # noqa: S311 - the same sizes each time
    found: dict[str, int] = {}
    for one in names:
        others = [{name: choice.choice(_LARGE) for name in names if name != one} for _ in range(_OTHERS)]
        held = [size for size in tried if all(holds({**other, one: size}) for other in others)]
        first = _unbroken(tried, held)
        if first is None:
            return None
        found[one] = first
    for _ in range(_TOGETHER if len(names) > 1 else 0):
        if not holds({name: choice.choice([size for size in tried if size >= found[name]]) for name in names}):
            return None
    return found


def _tried(condition: Any) -> list[int]:
    named = {int(number) for number in condition.atoms(sympy.Integer) if abs(number) > 1}
    around = {abs(k * number) + offset for number in named for k in (1, 2, 3) for offset in (-1, 0, 1)}
    return sorted({size for size in {*range(1, _SMALL), *_LARGE, *around} if size > 0})


def _unbroken(tried: Sequence[int], held: Sequence[int]) -> int | None:
    """The first of the sizes from which on all are held."""
    kept = set(held)
    first = None
    for size in reversed(tried):
        if size not in kept:
            break
        first = size
    return first


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
