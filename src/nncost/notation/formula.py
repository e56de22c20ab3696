"""Closed forms: expanded, factored, leading term, values, and four notations.

The Python notation is our own printer of integer expressions (``tree.py``): ``lambdify`` would turn floors into
floats and lose big integers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import sympy

from nncost.dims import Dim, factored, is_hard_to_factor, is_largest, is_symbolic, largest, substitute, symbol, tidy
from nncost.errors import Instead, SymbolError
from nncost.names import nearest
from nncost.notation.tree import python_source, tree_of
from nncost.notation.written import written
from nncost.records import record
from nncost.shown import Shown

_COMPARED = 8
"""SymPy compares each formula with each other; more of them stand as they are."""


@record
class Formula(Shown):
    """A quantity in every symbol of its source: what ``nncost.formula`` returns.

    ``expanded``, ``factored`` and ``leading`` (the terms of highest degree) are SymPy expressions, or whole numbers where
    there are no symbols; ``value`` is that ``at`` given sizes. :meth:`python`, :meth:`latex` and :meth:`mathml` write it;
    ``print`` shows what ``nncost formula`` prints.
    """

    quantity: str
    expanded: Dim
    factored: Dim
    leading: Dim
    symbols: tuple[str, ...]
    value: Dim | None = None
    at: Mapping[str, int] | None = None

    def __repr__(self) -> str:
        return f"<Formula of {self.quantity}: {self.expanded}>"

    def python(self) -> str:
        """A Python function on integers, exact at any size."""
        name = self.quantity.replace(".", "_")
        families = sorted(str(base) for base in sympy.sympify(self.expanded).atoms(sympy.IndexedBase))
        arguments = ", ".join([*(s for s in self.symbols if s not in families), *families])
        return f"def {name}({arguments}):\n    return {python_source(tree_of(self.expanded))}"

    def latex(self) -> str:
        """The formula in LaTeX."""
        return written(self.expanded).latex

    def mathml(self) -> str:
        """Presentation MathML."""
        from sympy.printing.mathml import mathml

        return f'<math xmlns="http://www.w3.org/1998/Math/MathML">{mathml(sympy.sympify(self.expanded), printer="presentation")}</math>'

    def to_dict(self) -> dict[str, Any]:
        """Plain data; formulas as text."""
        result = {
            "quantity": self.quantity, "symbols": list(self.symbols), "expanded": str(self.expanded),
            "factored": str(self.factored), "leading": str(self.leading),
        }  # fmt: skip
        value = self.value if self.value is None or is_symbolic(self.value) is False else str(self.value)
        return result | ({} if self.at is None else {"at": dict(self.at), "value": value})


def formula_of(quantity: str, amount: Dim, at: Mapping[str, int] | None = None) -> Formula:
    """The formula of an amount, and its value ``at`` sizes of its symbols.

    Raise SymbolError if ``at`` names a symbol the formula does not have.
    """
    expanded = tidy(amount)
    expression = sympy.sympify(expanded)
    names = tuple(sorted(str(free) for free in expression.free_symbols if not isinstance(free, sympy.Indexed)))
    value = _value(expanded, names, at) if at else None
    return Formula(quantity, expanded, _factored(expression), _leading(expression), names, value, at)


def _value(expanded: Dim, names: Sequence[str], at: Mapping[str, int]) -> Dim:
    unknown = [name for name in at if name not in names]
    if unknown:
        known = ", ".join(names) or "none: it is a number"
        close = nearest(unknown[0], names) or (names[0] if len(names) == 1 else None)
        instead = None if close is None else Instead(unknown[0], close)
        raise SymbolError(f"the formula has no symbol {unknown[0]!r}.", hint=f"Its symbols: {known}.", instead=instead)
    result = substitute(expanded, {symbol(name): number for name, number in at.items()})
    return cast("Dim", result.doit()) if is_symbolic(result) else result  # type: ignore[union-attr]


def _factored(expression: Any) -> Dim:
    """The shortest of the factored and collected forms."""
    if expression.has(sympy.Sum) or is_largest(expression):
        return cast("Dim", expression)
    if is_hard_to_factor(expression):
        return cast("Dim", factored(expression))
    candidates = [factored(expression), sympy.collect(expression, sorted(expression.free_symbols, key=str))]
    if expression.free_symbols:
        main = max(expression.free_symbols, key=lambda free: (expression.count(free), str(free)))
        candidates.append(sympy.collect(expression, main, factored))
    return cast("Dim", min(candidates, key=lambda form: (sympy.count_ops(form), len(str(form)))))


def _leading(expression: Any) -> Dim:
    """The terms of highest total degree: what remains when all sizes grow alike."""
    if is_largest(expression):
        parts = [_leading(part) for part in expression.args]
        return cast("Dim", sympy.Max(*parts)) if len(parts) <= _COMPARED else largest(parts)
    terms = sympy.Add.make_args(expression)
    degrees = [_degree(term) for term in terms]
    return cast("Dim", sympy.Add(*(_leading_term(t) for t, d in zip(terms, degrees, strict=True) if d == max(degrees))))


def _degree(term: Any) -> int:
    """The total degree; a sum has that of its terms, plus one for its length."""
    if isinstance(term, sympy.Sum):
        return 1 + max(_degree(part) for part in sympy.Add.make_args(sympy.expand(term.function)))
    if isinstance(term, sympy.Mul):
        return sum(_degree(factor) for factor in term.args)
    if isinstance(term, sympy.Pow) and term.exp.is_Integer:
        return int(term.exp) * _degree(term.base)
    if isinstance(term, sympy.Add):
        return max(_degree(part) for part in term.args)
    if isinstance(term, (sympy.floor, sympy.ceiling)):
        return _degree(sympy.expand(term.args[0]))
    return 1 if term.free_symbols else 0


def _leading_term(term: Any) -> Any:
    if isinstance(term, sympy.Sum):
        parts = sympy.Add.make_args(sympy.expand(term.function))
        top = max(map(_degree, parts))
        return sympy.Sum(sympy.Add(*(part for part in parts if _degree(part) == top)), *term.limits)
    return term
