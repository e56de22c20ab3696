"""Elementwise functions as mathematics writes them, with brackets only where they are needed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

from nncost.counting.quantities import Quantity
from nncost.dims import Dim, is_symbolic
from nncost.documents.document import Maths
from nncost.notation.written import mathematics
from nncost.records import field, record
from nncost.units import grouped

CHOICE, SUM, QUOTIENT, PRODUCT, ATOM = range(5)
"""How tightly a piece of text holds together; looser pieces are put in brackets."""
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_DIGITS, _DIGITS_NEAR_ONE = 4, 7
"""Significant digits of a constant, and of one that fewer would round to 1."""
_LARGE = 10**15
"""From here on, a float is no longer shown as a whole number."""


@record
class Piece:
    """An expression, how tightly it holds together, and what computing it takes.

    One that ``is_negated`` is a minus sign before a piece that can stand behind another minus sign.
    """

    maths: Maths
    tightness: int = ATOM
    counts: Mapping[Quantity, Dim] = field(default_factory=dict)
    is_negated: bool = False

    @property
    def text(self) -> str:
        """The expression without LaTeX."""
        return self.maths.text


def named(name: str) -> Piece:
    """Return a name such as ``t₁``, ``∂L/∂x`` or ``c′``."""
    return Piece(Maths(name, mathematics(name)))


def subscript(index: int) -> str:
    """``₁₂``."""
    return str(index).translate(_SUBSCRIPTS)


@record
class Form:
    """How a function is written, with a place for each operand and the tightness that the place asks for."""

    text: str
    latex: str
    tightness: int = ATOM
    places: tuple[int, ...] = (CHOICE, CHOICE, CHOICE, CHOICE)

    def of(self, operands: Sequence[Piece]) -> Piece:
        """Return the function of its operands, in brackets where their places need them."""
        texts, latexes = [], []
        for operand, place in zip(operands, self.places, strict=False):
            held = operand.tightness >= place
            texts.append(operand.maths.text if held else f"({operand.maths.text})")
            latexes.append(operand.maths.latex if held else rf"\left({operand.maths.latex}\right)")
        return Piece(Maths(self.text.format(*texts), self.latex.format(*latexes)), self.tightness)


_PAIR, _SUMS = (PRODUCT, PRODUCT), (SUM, SUM, SUM, SUM)
FORMS: Mapping[str, Form] = {
    "add": Form("{} + {}", "{} + {}", SUM, (SUM, SUM)),
    "sub": Form("{} − {}", "{} - {}", SUM, (SUM, QUOTIENT)),
    "mul": Form("{}·{}", r"{} \cdot {}", PRODUCT, _PAIR),
    "div": Form("{}/{}", "{}/{}", QUOTIENT, (PRODUCT, ATOM)),
    "square": Form("{}²", "{}^2", ATOM, (ATOM,)),
    "sqrt": Form("√{}", r"\sqrt{{{}}}", ATOM, (ATOM,)),
    "pow": Form("{}^{}", "{{{}}}^{{{}}}", ATOM, (ATOM, ATOM)),
    "greater": Form("{} > {}", "{} > {}", CHOICE, _SUMS),
    "greater_equal": Form("{} ≥ {}", r"{} \ge {}", CHOICE, _SUMS),
    "equal": Form("{} = {}", "{} = {}", CHOICE, _SUMS),
    "not_equal": Form("{} ≠ {}", r"{} \ne {}", CHOICE, _SUMS),
    "and": Form("{} and {}", r"{} \land {}", CHOICE, _SUMS),
    "or": Form("{} or {}", r"{} \lor {}", CHOICE, _SUMS),
    "xor": Form("{} xor {}", r"{} \oplus {}", CHOICE, _SUMS),
    "not": Form("not {}", r"\lnot {}", CHOICE, (ATOM,)),
    "abs": Form("|{}|", r"\lvert {} \rvert"),
    "relu": Form("max({}, 0)", r"\max({}, 0)"),
    "max": Form("max({}, {})", r"\max({}, {})"),
    "min": Form("min({}, {})", r"\min({}, {})"),
    "clip": Form("min(max({}, {}), {})", r"\min(\max({}, {}), {})"),
    "sigmoid": Form("σ({})", r"\sigma({})"),
    "select": Form("{1} if {0}, else {2}", r"{1}\text{{ if }}{0}\text{{, else }}{2}", CHOICE, _SUMS),
    "where_positive": Form("{1} if {0} > 0, else {2}", r"{1}\text{{ if }}{0} > 0\text{{, else }}{2}", CHOICE, _SUMS),
    "where_between": Form(
        "{3} if {1} < {0} < {2}, else 0", r"{3}\text{{ if }}{1} < {0} < {2}\text{{, else }}0", CHOICE, _SUMS
    ),
    # Operations on many elements at once.
    "contract": Form("Σ {}·{}", r"\sum {} \cdot {}", SUM, (ATOM, ATOM)),
    "sum": Form("Σ {}", r"\sum {}", SUM, (QUOTIENT,)),
    "prod": Form("Π {}", r"\prod {}", SUM, (QUOTIENT,)),
    "largest": Form("max {}", r"\max {}", SUM, (ATOM,)),
    "smallest": Form("min {}", r"\min {}", SUM, (ATOM,)),
    "gather": Form("{}[{}]", r"{{{}}}_{{[{}]}}", ATOM, (ATOM, CHOICE)),
    "scatter": Form("Σ at index({})", r"\sum_{{\text{{at index}}}}({})", SUM),
    "fold": Form("Σ windows({})", r"\sum_{{\text{{windows}}}}({})", SUM),
}


def function(name: str, operands: Sequence[Piece]) -> Piece:
    """Return a function of its operands: in the form of mathematics, or as a call of its name."""
    if name == "identity":
        return operands[0]
    if name == "neg":
        return replace_negated(Form("−{}", "-{}", SUM, (QUOTIENT,)).of(operands))
    if name == "add" and operands[1].is_negated:
        minus, rest = operands[1].maths.text[1:], operands[1].maths.latex[1:]
        return Form("{} − " + braced(minus), "{} - " + braced(rest), SUM, (SUM,)).of(operands[:1])
    return FORMS[name].of(operands) if name in FORMS else call(name, operands)


def replace_negated(piece: Piece) -> Piece:
    """Return the piece as one that begins with a minus sign."""
    return Piece(piece.maths, piece.tightness, piece.counts, is_negated=True)


def call(name: str, operands: Sequence[Piece]) -> Piece:
    """``erf(x)``; a name without operands stands alone."""
    inside = ", ".join("{}" for _ in operands)
    upright = rf"\operatorname{{{name.replace('_', ' ')}}}"
    brackets = f"({inside})" if operands else ""
    return Form(name + brackets, braced(upright) + brackets, ATOM, (CHOICE,) * len(operands)).of(operands)


def braced(text: str) -> str:
    """Return text for a form, in which braces are doubled."""
    return text.replace("{", "{{").replace("}", "}}")


def tuple_of(operands: Sequence[Piece]) -> Piece:
    """``(a, b, c)``."""
    inside = ", ".join("{}" for _ in operands)
    return Form(f"({inside})", f"({inside})", ATOM, (CHOICE,) * len(operands)).of(operands)


def number(value: Any, size: Callable[[Dim], Maths]) -> Piece:
    """Return a constant: a whole number, four digits of a fraction, a power of ten, or a formula by ``size``."""
    if not isinstance(value, (int, float)):
        if not is_symbolic(value) or not hasattr(value, "free_symbols"):
            return call(str(value), ())
        maths = size(_without_floats(value))
        is_atom = re.fullmatch(r"[\w⌈⌊]+", maths.text)
        return Piece(maths, ATOM if is_atom else SUM if " " in maths.text else QUOTIENT)
    if isinstance(value, float) and not math.isfinite(value):
        return named({math.inf: "∞", -math.inf: "−∞"}.get(value, "nan"))
    text = _digits(value)
    return Piece(
        Maths(text, mathematics(text.replace(",", "{,}"))), PRODUCT if "·" in text else ATOM if value >= 0 else SUM
    )


def _digits(number: float) -> str:
    """``0.7071``, ``4,096``, ``2·10⁻⁵``; whole numbers of any size."""
    if abs(number) < _LARGE and float(number).is_integer():
        return grouped(int(number))
    value = Decimal(number) if isinstance(number, int) else number
    text = f"{value:.{_DIGITS}g}"
    text = f"{value:.{_DIGITS_NEAR_ONE}g}" if text == "1" else text
    digits, power, exponent = text.partition("e")
    if power:
        tens = f"10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
        text = tens if digits == "1" else f"{digits}·{tens}"
    return text.replace("-", "−")


def _without_floats(value: Any) -> Dim:
    """A size times a factor that is a whole number or a simple fraction."""
    import sympy

    return cast("Dim", sympy.nsimplify(value, rational=True))
