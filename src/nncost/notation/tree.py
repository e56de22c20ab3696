"""Integer expressions as plain trees: one translation of SymPy for Python's source, for JSON and for the browser.

A tree is text, a whole number in digits or the name of a symbol, or a tuple of an operator and its parts::

    ("+", a, b, …)   ("*", a, b, …)   ("neg", a)          sums, products, −a
    ("^", a, "3")                                          a power
    ("floor", a, b)  ("ceil", a, b)   ("/", a, b)          ⌊a/b⌋, ⌈a/b⌉, a quotient without a remainder
    ("max", a, b, …)                                       the largest
    ("at", "h", k)                                         member k of the family of sizes h
    ("sum", "k", first, last, a)                           Σ a over k, both ends included
    ("log2", a)                                            ⌈log₂ a⌉

Every value is an integer of any size, so that Python and BigInt agree to the last digit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, Union, cast

from nncost.dims import Dim, is_symbolic
from nncost.errors import SymbolError

Tree = Union[str, tuple[Any, ...]]
Value = Union[int, Sequence[int]]
_INTEGER = re.compile(r"-?[0-9]+\Z")


def tree_of(dim: Dim) -> Tree:
    """Return a size or an amount as a tree. Raise SymbolError for an expression that is none of integers."""
    return _tree(dim) if is_symbolic(dim) else integer_text(dim)


def integer_text(number: int) -> str:
    """Return all digits of a number, of which Python refuses to write more than some thousands at once."""
    if abs(number) < _AT_ONCE:
        return str(int(number))
    digits: list[str] = []
    rest = abs(number)
    while rest:
        rest, part = divmod(rest, _AT_ONCE)
        digits.append(str(part).zfill(_DIGITS))
    return ("-" if number < 0 else "") + "".join(reversed(digits)).lstrip("0")


def integer_of(text: str) -> int:
    """Return the number of so many digits, of which Python refuses to read more than some thousands at once."""
    digits, number = text.lstrip("-"), 0
    for start in range(0, len(digits), _DIGITS):
        part = digits[start : start + _DIGITS]
        number = number * 10 ** len(part) + int(part)
    return -number if text.startswith("-") else number


_DIGITS = 4_000
_AT_ONCE = 10**_DIGITS


def _tree(e: Any) -> Tree:
    import sympy

    numerator, denominator = sympy.fraction(sympy.together(e)) if _has_quotient(e) else (e, sympy.Integer(1))
    if denominator != 1:
        return ("/", _tree(sympy.expand(numerator)), _tree(denominator))
    if isinstance(e, sympy.Integer):
        return integer_text(int(e))
    if isinstance(e, (sympy.Symbol, sympy.IndexedBase)):
        return str(e)
    if isinstance(e, sympy.Indexed):
        return ("at", str(e.base), _tree(e.indices[0]))
    if isinstance(e, sympy.Add):
        return ("+", *map(_tree, e.as_ordered_terms()))
    if isinstance(e, sympy.Mul):
        coefficient, rest = e.as_coeff_Mul()
        return ("neg", _tree(rest)) if coefficient == -1 else ("*", *map(_tree, e.as_ordered_factors()))
    if isinstance(e, sympy.Pow) and e.exp.is_Integer and e.exp > 0:
        return ("^", _tree(e.base), str(e.exp))
    return _function(e)


def _function(e: Any) -> Tree:
    import sympy

    if isinstance(e, sympy.ceiling) and (of_two := _of_logarithm(e.args[0])) is not None:
        return ("log2", _tree(of_two))
    if isinstance(e, (sympy.floor, sympy.ceiling)):
        top, bottom = sympy.fraction(sympy.together(e.args[0]))
        return ("floor" if isinstance(e, sympy.floor) else "ceil", _tree(sympy.expand(top)), _tree(bottom))
    if isinstance(e, sympy.Max):
        return ("max", *map(_tree, e.args))
    if isinstance(e, sympy.Sum) and len(e.limits) == 1:
        index, first, last = e.limits[0]
        return ("sum", str(index), _tree(first), _tree(last), _tree(e.function))
    raise SymbolError(f"cannot write {e} as an integer expression")


def _of_logarithm(e: Any) -> Any:
    """``x`` if ``e`` is log₂ x; None otherwise."""
    import sympy

    argument = sympy.Wild("argument")
    found = e.match(sympy.log(argument) / sympy.log(2))
    return None if found is None else found[argument]


def _has_quotient(e: Any) -> bool:
    """Whether a division stands outside floors and sums."""
    import sympy

    if isinstance(e, (sympy.floor, sympy.ceiling, sympy.Sum, sympy.Indexed, sympy.Max)):
        return False
    if isinstance(e, sympy.Rational):
        return bool(e.q != 1)
    if isinstance(e, sympy.Pow):
        return bool(e.exp.is_negative) or _has_quotient(e.base)
    return any(_has_quotient(part) for part in e.args)


# ------------------------------------------------------------------- as Python
def python_source(tree: Tree) -> str:
    """Return a tree as Python source with ``//`` for floors and exact quotients."""
    if isinstance(tree, str):
        return tree
    operator, *parts = tree
    match operator:
        case "+":
            return " + ".join(map(python_source, parts)).replace("+ -", "- ")
        case "*":
            return "*".join(map(_bracketed, parts))
        case "neg":
            return "-" + _bracketed(parts[0])
        case "^":
            return f"{_bracketed(parts[0])}**{parts[1]}"
        case "/":
            return f"({python_source(parts[0])}) // ({python_source(parts[1])})"
        case "floor":
            return f"(({python_source(parts[0])}) // {_bracketed(parts[1])})"
        case "ceil":
            return f"(-((-({python_source(parts[0])})) // {_bracketed(parts[1])}))"
        case "max":
            return f"max({', '.join(map(python_source, parts))})"
        case "at":
            return f"{parts[0]}[{python_source(parts[1])}]"
        case "sum":
            index, first, last, inner = parts[0], *map(python_source, parts[1:])
            return f"sum({inner} for {index} in range({first}, {last} + 1))"
    return f"({python_source(parts[0])} - 1).bit_length()"


def _bracketed(tree: Tree) -> str:
    text = python_source(tree)
    is_loose = not isinstance(tree, str) and (tree[0] == "+" or ("//" in text and not text.startswith("(")))
    return f"({text})" if is_loose else text


# ------------------------------------------------------------------- its value
def evaluate(tree: Tree, values: Mapping[str, Value]) -> int:
    """Return the value of a tree at whole numbers; a family of sizes is a sequence. Raise SymbolError for a name without one."""
    if isinstance(tree, str):
        return integer_of(tree) if _INTEGER.match(tree) else cast("int", _known(tree, values))
    operator, *parts = tree
    if operator == "sum":
        index, first, last, inner = parts
        ends = evaluate(first, values), evaluate(last, values)
        return sum(evaluate(inner, {**values, index: number}) for number in range(ends[0], ends[1] + 1))
    if operator == "at":
        return cast("Sequence[int]", _known(parts[0], values))[evaluate(parts[1], values)]
    numbers = [evaluate(part, values) for part in parts]
    match operator:
        case "+":
            return sum(numbers)
        case "*":
            return prod(numbers)
        case "neg":
            return -numbers[0]
        case "^":
            return cast("int", numbers[0] ** numbers[1])
        case "max":
            return max(numbers)
        case "floor":
            return numbers[0] // numbers[1]
        case "ceil":
            return -(-numbers[0] // numbers[1])
        case "log2":
            return (numbers[0] - 1).bit_length()
    quotient, remainder = divmod(numbers[0], numbers[1])
    if remainder:
        raise SymbolError(f"{numbers[0]} is not a multiple of {numbers[1]}")
    return quotient


def _known(name: str, values: Mapping[str, Value]) -> Value:
    if name not in values:
        raise SymbolError(f"no size for {name!r}")
    return values[name]
