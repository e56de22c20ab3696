"""The names that a file has for sizes: symbols, or expressions of symbols such as ``past + new``."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from nncost.dims import Dim, floor_divide, symbol
from nncost.names import printable, shortened

MAX_LENGTH = 200
_FUNCTIONS = ("floor", "ceiling", "ceil", "Max", "max", "Min", "min")


def dim_named(name: str, bindings: Mapping[str, Dim]) -> Dim:
    """Return what a size of that name is: a number that it is bound to, an expression of symbols, or a symbol.

    A name that is neither a word nor an expression is a symbol in quotes, so that formulas can be read.
    """
    if name in bindings:
        return bindings[name]
    if name.isidentifier() and len(name) <= MAX_LENGTH:
        return symbol(name)
    try:
        found = _value(ast.parse(name[:MAX_LENGTH], mode="eval").body, bindings)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError, TypeError):
        found = None
    return _as_size(found) if len(name) <= MAX_LENGTH and _is_size(found) else _quoted(name)


def says_something(name: str) -> bool:
    """Whether a size has a name, and not just a sign such as ``?`` that several sizes have."""
    return any(character.isalnum() for character in name)


def symbols_of(name: str) -> set[str]:
    """Return the names of the symbols that a size consists of: itself, or those of the expression it is."""
    return {str(each) for each in getattr(dim_named(name, {}), "free_symbols", ())}


def _quoted(name: str) -> Dim:
    if len(name) > MAX_LENGTH:  # What is cut off still tells two names apart.
        name = shortened(name) + sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
    return symbol("'" + printable(name).replace("'", "’") + "'")


def _is_size(value: Any) -> bool:
    """Whether a value is an expression of symbols, or a whole number that a size may be."""
    if value is None:
        return False
    return bool(value.free_symbols) or (value.is_Integer and value >= 0)


def _as_size(value: Any) -> Dim:
    return value if value.free_symbols else int(value)


def _value(node: ast.expr, bindings: Mapping[str, Dim]) -> Any:
    import sympy

    match node:
        case ast.Constant(value=int() as number) if not isinstance(number, bool) and abs(number) < 2**63:
            return sympy.Integer(number)
        case ast.Name(id=name):
            return sympy.sympify(bindings[name]) if name in bindings else symbol(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, bindings)
        case ast.BinOp(left=left, op=operator, right=right):
            return _of_two(operator, _value(left, bindings), _value(right, bindings))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS and arguments:
            return _of_function(name, [_value(argument, bindings) for argument in arguments])
        case _:
            raise ValueError("no expression of sizes")


def _of_two(operator: ast.operator, left: Any, right: Any) -> Any:
    match operator:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div():
            return left / right
        case ast.FloorDiv():
            return floor_divide(left, right)
        case _:
            raise ValueError("no operator of sizes")


def _of_function(name: str, values: list[Any]) -> Any:
    import sympy

    if name in ("floor", "ceiling", "ceil"):
        (value,) = values
        return floor_divide(value, 1) if name == "floor" else -floor_divide(-value, 1)
    return (sympy.Max if name.lower() == "max" else sympy.Min)(*values)
