"""Formulas as a teacher writes them: factors in the order of the card, numbers put in place of letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from nncost.dims import Dim, Shape, is_symbolic, tidy
from nncost.documents.document import Maths
from nncost.records import record
from nncost.units import grouped

_SUM, _PRODUCT, _ATOM = range(3)
"""How tightly a piece of text holds together; looser pieces are put in brackets."""

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@record
class Dialect:
    """How one kind of output writes the pieces of a formula."""

    times: str
    minus: str
    number: Callable[[int], str]
    name: Callable[[str], str]
    member: Callable[[str, str], str]
    power: Callable[[str, int], str]
    fraction: Callable[[str, str], str]
    floor: Callable[[str], str]
    ceiling: Callable[[str], str]
    total: Callable[[str, str, str, str], str]
    brackets: tuple[str, str]
    quoted: Callable[[str], str]
    largest: Callable[[str], str]


_quoted: ContextVar[frozenset[str]] = ContextVar("quoted", default=frozenset())


@contextmanager
def quoting(names: Collection[str]) -> Iterator[None]:
    """Meanwhile, write these symbols of a source in quotes: explanations use the same letters for something else."""
    token = _quoted.set(frozenset(names))
    try:
        yield
    finally:
        _quoted.reset(token)


UNICODE = Dialect(
    times="·",
    minus="−",
    number=grouped,
    name=str,
    member=lambda base, index: f"{base}[{index.replace(' ', '')}]",
    power=lambda base, exponent: base + str(exponent).translate(_SUPERSCRIPTS),
    fraction=lambda above, below: f"{above}/{below}",
    floor=lambda inner: f"⌊{inner}⌋",
    ceiling=lambda inner: f"⌈{inner}⌉",
    total=lambda index, first, last, inner: f"Σ[{index}={first}…{last}] {inner}",
    brackets=("(", ")"),
    quoted=lambda name: f"‘{name}’",
    largest=lambda inner: f"max({inner})",
)


def _latex_number(number: int) -> str:
    return grouped(number).replace(",", "{,}").replace("−", "-")


def _latex_name(name: str) -> str:
    escaped = name.replace("_", r"\_")
    return escaped if len(name) == 1 else rf"\mathit{{{escaped}}}"


LATEX = Dialect(
    times=r" \cdot ",
    minus="-",
    number=_latex_number,
    name=_latex_name,
    member=lambda base, index: f"{base}_{{{index}}}",
    power=lambda base, exponent: f"{base}^{{{exponent}}}",
    fraction=lambda above, below: rf"\frac{{{above}}}{{{below}}}",
    floor=lambda inner: rf"\lfloor {inner} \rfloor",
    ceiling=lambda inner: rf"\lceil {inner} \rceil",
    total=lambda index, first, last, inner: rf"\sum_{{{index}={first}}}^{{{last}}} {inner}",
    brackets=(r"\left(", r"\right)"),
    quoted=lambda name: rf"\text{{`}}{name}\text{{'}}",
    largest=lambda inner: rf"\max({inner})",
)


_SIGNS = {
    "←": r"\leftarrow ", "−": "-", "·": r"\cdot ", "×": r"\times ", "⊙": r"\odot ", "√": r"\surd ", "∂": r"\partial ",
    "η": r"\eta ", "μ": r"\mu ", "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "δ": r"\delta ", "ε": r"\varepsilon ",
    "λ": r"\lambda ", "σ": r"\sigma ", "Σ": r"\sum ", "ᵀ": r"^{\mathsf T}", "ᵗ": "^t",
    "∞": r"\infty ", "′": "'", "≈": r"\approx ", "…": r"\dots ", "→": r"\to ",
}  # fmt: skip
_WORD = re.compile(r"[A-Za-z]{2,}(?: [A-Za-z]{2,})*|,? then as [a-z]+")


_RAISED = {ord(raised): plain for raised, plain in zip("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789", strict=True)}
_LOWERED = {ord(lowered): plain for lowered, plain in zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True)}


def mathematics(text: str) -> str:
    """Return Unicode mathematics as LaTeX: signs by their names, words upright, hats above their letters."""
    text = re.sub("[⁻⁰¹²³⁴-⁹]+", lambda found: f"^{{{found[0].translate(_RAISED)}}}", text)
    text = re.sub("[₀-₉]+", lambda found: f"_{{{found[0].translate(_LOWERED)}}}", text)
    text = re.sub("(.)\u0302", r"\\hat{\1}", unicodedata.normalize("NFD", text))
    pieces = re.split(r"(\\hat\{.\})", text)
    return "".join(
        p if p.startswith("\\") else "".join(_SIGNS.get(c, c) for c in _WORD.sub(_upright, p)) for p in pieces
    )


def _upright(match: re.Match[str]) -> str:
    return rf"\text{{{match[0]} }}" if " " in match[0] else rf"\operatorname{{{match[0]}}}"


def written(dim: Dim, letters: Sequence[Dim] = (), values: Mapping[Dim, Dim | Shape] | None = None) -> Maths:
    """Return a size or formula in both forms; ``letters`` order the factors, ``values`` stand in their place."""
    place = {letter: position for position, letter in enumerate(letters)}
    return Maths(*(_Writer(dialect, place, values or {}).whole(dim) for dialect in (UNICODE, LATEX)))


def tidied(amount: Dim) -> Maths:
    """Return an amount in both forms, expanded and with its sums drawn together."""
    return written(tidy(amount))


def multiplied(count: Dim, inner: Maths, *, loose: bool) -> Maths:
    """Return ``48 × (…)``: the same formula ``count`` times; ``loose`` says that the inner one needs brackets."""
    factor = written(count)
    text, latex = (f"({inner.text})", rf"\left({inner.latex}\right)") if loose else (inner.text, inner.latex)
    if is_sum(count):
        factor = Maths(f"({factor.text})", rf"\left({factor.latex}\right)")
    return Maths(f"{factor.text} × {text}", rf"{factor.latex} \times {latex}")


def joined(parts: Sequence[Maths], sign: str, latex: str) -> Maths:
    """Return the parts with a sign between them."""
    return Maths(sign.join(part.text for part in parts), latex.join(part.latex for part in parts))


def is_sum(dim: Dim) -> bool:
    """Return whether a formula is a sum of terms, which a factor in front would need brackets for."""
    return is_symbolic(dim) and getattr(dim, "is_Add", False)


class _Writer:
    """Writes one SymPy expression in one dialect."""

    def __init__(self, dialect: Dialect, place: Mapping[Dim, int], values: Mapping[Dim, Dim | Shape]) -> None:
        self.dialect, self.place, self.values = dialect, place, values

    def whole(self, dim: Dim) -> str:
        return self._piece(dim)[0]

    def _piece(self, dim: Any) -> tuple[str, int]:
        """The text of an expression and how tightly it holds together."""
        d = self.dialect
        if isinstance(dim, int) or dim.is_Integer:
            return d.number(int(dim)), _ATOM if dim >= 0 else _SUM
        if dim in self.values:
            return self._value(self.values[dim])
        if dim.is_Symbol:
            name = d.name(dim.name)
            return (d.quoted(name) if dim.name in _quoted.get() and not dim.is_Dummy else name), _ATOM
        if dim.is_Add:
            return self._sum(dim), _SUM
        if dim.is_Mul or dim.is_Pow or dim.is_Rational:
            return self._product(dim)
        return self._function(dim)

    def _value(self, size: Dim | Shape) -> tuple[str, int]:
        """A size, or several of them multiplied; ones are left out."""
        plain = _Writer(self.dialect, {}, {})
        factors = [dim for dim in size if dim != 1] if isinstance(size, tuple) else [size]
        if len(factors) < 2:
            return plain._piece(factors[0] if factors else 1)
        return self.dialect.times.join(plain._held(dim, _ATOM) for dim in factors), _PRODUCT

    def _function(self, dim: Any) -> tuple[str, int]:
        import sympy

        d = self.dialect
        if isinstance(dim, sympy.Indexed):
            return d.member(d.name(str(dim.base)), self.whole(dim.indices[0])), _ATOM
        if isinstance(dim, sympy.Sum):
            index, first, last = (self.whole(part) for part in dim.limits[0])
            return d.total(index, first, last, self._held(dim.function, _PRODUCT)), _PRODUCT
        if isinstance(dim, sympy.floor):
            return d.floor(self.whole(sympy.together(dim.args[0]))), _ATOM
        if isinstance(dim, sympy.ceiling):
            return d.ceiling(self.whole(sympy.together(dim.args[0]))), _ATOM
        if isinstance(dim, sympy.Max):
            return d.largest("; ".join(map(self.whole, sorted(dim.args, key=str)))), _ATOM
        return d.name(str(dim)), _ATOM

    def _held(self, dim: Any, tightness: int) -> str:
        """The text of a part, in brackets if it is looser than its place."""
        text, own = self._piece(dim)
        opening, closing = self.dialect.brackets
        return text if own >= tightness else f"{opening}{text}{closing}"

    def _sum(self, dim: Any) -> str:
        result = ""
        for term in sorted(dim.args, key=self._term_order):
            coefficient, _ = term.as_coeff_Mul()
            negative = coefficient < 0
            sign = f" {self.dialect.minus} " if negative else " + "
            result += (sign if result else self.dialect.minus if negative else "") + self._held(
                -term if negative else term, _PRODUCT
            )
        return result

    def _product(self, dim: Any) -> tuple[str, int]:
        above, below = dim.as_numer_denom()
        if below != 1:
            text = self.dialect.fraction(self._held_above(above), self._held_below(below))
            return text, _PRODUCT
        factors = sorted(dim.args if dim.is_Mul else (dim,), key=self._factor_order)
        texts = [self._factor(factor) for factor in factors[:-1]]
        texts.append(self._factor(factors[-1], last=len(factors) > 1))
        return self.dialect.times.join(texts), _ATOM if len(texts) == 1 else _PRODUCT

    def _held_above(self, dim: Any) -> str:
        return self.whole(dim) if self.dialect is LATEX else self._held(dim, _PRODUCT)

    def _held_below(self, dim: Any) -> str:
        return self.whole(dim) if self.dialect is LATEX else self._held(dim, _ATOM)

    def _factor(self, factor: Any, *, last: bool = False) -> str:
        """One factor; a Σ needs no brackets if nothing follows it."""
        if last and factor.func.__name__ == "Sum":
            return self._held(factor, _PRODUCT)
        if factor.is_Pow and factor.exp.is_Integer:
            return self.dialect.power(self._held(factor.base, _ATOM), int(factor.exp))
        return self._held(factor, _ATOM)

    def _factor_order(self, factor: Any) -> tuple[bool, bool, int, str]:
        """Numbers, then letters in the card's order, then other names in alphabetical order, then sums."""
        places = [self.place[letter] for letter in factor.free_symbols if letter in self.place]
        first, name = min(places, default=len(self.place)), "" if factor.is_Integer else str(factor)
        return not factor.is_Integer, bool(factor.is_Add or factor.func.__name__ == "Sum"), first, name

    def _term_order(self, term: Any) -> tuple[bool, int, tuple[int, ...], str]:
        """Positive terms of many letters first."""
        coefficient, rest = term.as_coeff_Mul()
        places = tuple(sorted(self.place[letter] for letter in term.free_symbols if letter in self.place))
        degree = sum(int(f.exp) if f.is_Pow and f.exp.is_Integer else 1 for f in rest.as_ordered_factors())
        return bool(coefficient < 0), -degree if term.free_symbols else 0, places, "" if rest == 1 else str(rest)
