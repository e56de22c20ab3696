"""Elementwise functions as mathematics writes them, with brackets only where they are needed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from nncost.counting.quantities import Quantity
from nncost.dims import Dim, is_symbolic
from nncost.records import field, record
from nncost.units import grouped

CHOICE, SUM, QUOTIENT, PRODUCT, ATOM = range(5)
"""How tightly a piece of text holds together; looser pieces are put in brackets."""
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_DIGITS = 4
"""Significant digits of a constant."""


@record
class Piece:
    """An expression, how tightly it holds together, and what computing it takes.

    One that ``is_negated`` is a minus sign before a piece that can stand behind another minus sign.
    """

    text: str
    tightness: int = ATOM
    counts: Mapping[Quantity, Dim] = field(default_factory=dict)
    is_negated: bool = False


def held(piece: Piece, tightness: int) -> str:
    """Return the text of a part, in brackets if it is looser than its place."""
    return piece.text if piece.tightness >= tightness else f"({piece.text})"


def subscript(index: int) -> str:
    """``₁₂``."""
    return str(index).translate(_SUBSCRIPTS)


_FORMS: Mapping[str, tuple[str, int, int, int]] = {
    "add": ("{} + {}", SUM, SUM, SUM), "sub": ("{} − {}", SUM, SUM, QUOTIENT), "mul": ("{}·{}", PRODUCT, PRODUCT, PRODUCT),
    "div": ("{}/{}", QUOTIENT, PRODUCT, ATOM), "square": ("{}²", ATOM, ATOM),
    "sqrt": ("√{}", ATOM, ATOM), "pow": ("{}^{}", ATOM, ATOM, ATOM),
    "greater": ("{} > {}", CHOICE, SUM, SUM), "greater_equal": ("{} ≥ {}", CHOICE, SUM, SUM),
    "equal": ("{} = {}", CHOICE, SUM, SUM), "not_equal": ("{} ≠ {}", CHOICE, SUM, SUM),
    "and": ("{} and {}", CHOICE, SUM, SUM), "or": ("{} or {}", CHOICE, SUM, SUM), "xor": ("{} xor {}", CHOICE, SUM, SUM),
}  # fmt: skip
"""The text of a function, its own tightness and that of the places of its operands."""
_CALLS: Mapping[str, str] = {
    "abs": "|{0}|", "relu": "max({0}, 0)", "sigmoid": "σ({0})", "identity": "{0}", "clip": "min(max({0}, {1}), {2})",
    "round": "round({0})",
}  # fmt: skip
_CHOICES: Mapping[str, str] = {
    "select": "{1} if {0}, else {2}", "where_positive": "{1} if {0} > 0, else {2}",
    "where_between": "{3} if {1} < {0} < {2}, else 0",
}  # fmt: skip


def function(name: str, operands: Sequence[Piece]) -> Piece:
    """Return an elementwise function of its operands."""
    if name == "add" and operands[1].is_negated:
        return Piece(f"{held(operands[0], SUM)} − {operands[1].text[1:]}", SUM)
    if name == "neg":
        return Piece(f"−{held(operands[0], QUOTIENT)}", SUM, is_negated=True)
    if name in _FORMS:
        form, own, *places = _FORMS[name]
        return Piece(form.format(*map(held, operands, places)), own)
    if name in _CHOICES:
        return Piece(_CHOICES[name].format(*(held(operand, SUM) for operand in operands)), CHOICE)
    texts = [operand.text for operand in operands]
    if name == "identity":
        return operands[0]
    return Piece(_CALLS[name].format(*texts) if name in _CALLS else f"{name}({', '.join(texts)})")


def number(value: Any, size: Callable[[Dim], str]) -> Piece:
    """Return a constant: a whole number, four digits of a fraction, a power of ten, or a formula by ``size``."""
    if not isinstance(value, (int, float)):
        if not is_symbolic(value) or not hasattr(value, "free_symbols"):
            return Piece(str(value))
        text = size(_without_floats(value))
        return Piece(text, ATOM if re.fullmatch(r"[\w⌈⌊]+", text) else SUM if " " in text else QUOTIENT)
    if math.isinf(value):
        return Piece("∞" if value > 0 else "−∞", ATOM)
    if float(value).is_integer() and abs(value) < 10**15:
        return Piece(grouped(int(value)), ATOM if value >= 0 else SUM)
    text = f"{value:.{_DIGITS}g}"
    digits, power, exponent = text.partition("e")
    if power:
        text = f"10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
        text = text if digits == "1" else f"{digits}·{text}"
    return Piece(text.replace("-", "−"), PRODUCT if "·" in text else ATOM if value >= 0 else SUM)


def _without_floats(value: Any) -> Dim:
    """A size times a factor that is a whole number or a simple fraction."""
    import sympy

    return cast("Dim", sympy.nsimplify(value, rational=True))
