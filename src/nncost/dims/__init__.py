"""``Dim = int | sympy.Expr``: the few operations on sizes that must work on both.

Counting rules use ``+ - *`` and the functions here; never an ``if``, a comparison or a float
on a ``Dim``. The same rule then runs on Python integers (exact at any size), on SymPy
symbols (giving formulas) and on NumPy columns (giving many answers at once). SymPy is
imported only when a symbol appears.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Union, cast

if TYPE_CHECKING:
    import sympy

Dim = Union[int, "sympy.Expr"]
Shape = tuple[Dim, ...]


def is_symbolic(dim: object) -> bool:
    """Whether a size is a SymPy expression rather than a number."""
    return not isinstance(dim, int)


def symbol(name: str) -> Dim:
    """A positive integer symbol; equal names are equal symbols."""
    import sympy

    return cast("Dim", sympy.Symbol(name, integer=True, positive=True))


def indexed(base: str, index: Dim) -> Dim:
    """One member ``base[index]`` of a family of sizes, such as the widths h[0], h[1] and so on."""
    import sympy

    return cast("Dim", sympy.IndexedBase(base, integer=True, positive=True)[index])


def product(dims: Iterable[Dim]) -> Dim:
    """The product of sizes; 1 for none."""
    return math.prod(cast("Iterable[int]", dims))


def floor_divide(numerator: Dim, denominator: Dim) -> Dim:
    """``⌊numerator / denominator⌋``; of formulas in one form, so that equal ones can be seen to be equal."""
    if not hasattr(numerator, "free_symbols"):
        return numerator // denominator
    from nncost.dims.floors import floor_of

    quotient = cast("Any", numerator) / denominator
    if is_symbolic(denominator):
        import sympy

        quotient = sympy.cancel(quotient)
    return _as_dim(floor_of(quotient))


def ceil_divide(numerator: Dim, denominator: int) -> Dim:
    """``⌈numerator / denominator⌉``."""
    return floor_divide(numerator + (denominator - 1), denominator)


def exact_divide(numerator: Dim, denominator: Dim) -> Dim:
    """A quotient declared to leave no remainder; integers are checked, symbols are trusted."""
    if is_symbolic(numerator) or is_symbolic(denominator):
        return cast("Dim", numerator / denominator)
    quotient, remainder = divmod(numerator, denominator)
    if remainder:
        raise ValueError(f"{numerator} is not a multiple of {denominator}")
    return quotient


def ceil_log2(dim: Dim) -> Dim:
    """``⌈log₂ dim⌉`` (0 for 1)."""
    if isinstance(dim, int):
        return (dim - 1).bit_length()
    if not hasattr(dim, "free_symbols"):  # A NumPy column: exact Python integers, one by one.
        import numpy as np

        return cast("Dim", np.array([(int(number) - 1).bit_length() for number in dim], dtype=object))
    import sympy

    return cast("Dim", sympy.ceiling(sympy.log(dim, 2)))


def same(left: Dim, right: Dim) -> bool:
    """Whether two sizes are equal for every value of their symbols."""
    if left is right or left == right:
        return True
    if not is_symbolic(left) and not is_symbolic(right):
        return False
    import sympy

    return bool(sympy.expand(sympy.sympify(left) - right) == 0)


def same_shape(left: Shape, right: Shape) -> bool:
    """Whether two shapes have the same rank and equal sizes."""
    return left == right or (len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True)))


def add_all(terms: Iterable[Dim]) -> Dim:
    """The sum of many amounts; symbolic ones are collected into a single ``Add``."""
    numbers, symbolic = 0, []
    for term in terms:
        if isinstance(term, int):
            numbers += term
        else:
            symbolic.append(term)
    if not symbolic:
        return numbers
    import sympy

    return _as_dim(sympy.Add(*symbolic, numbers))


def sum_over(amount: Dim, index: Dim, first: Dim, last: Dim) -> Dim:
    """``Σ amount`` for ``index`` from ``first`` to ``last``, left unevaluated unless it is zero."""
    if amount == 0:
        return 0
    import sympy

    return cast("Dim", sympy.Sum(amount, (index, first, last)))


def substitute(dim: Dim, values: Mapping[Dim, Dim]) -> Dim:
    """Replace symbols by sizes; a result without symbols becomes a Python integer."""
    if not is_symbolic(dim):
        return dim
    if is_largest(dim):
        return largest([substitute(part, values) for part in parts_of(dim)])
    return _as_dim(cast("Any", dim).subs(dict(values)))


def is_largest(dim: Dim) -> bool:
    """Whether a size is the largest of several formulas."""
    sympy = sys.modules.get("sympy")  # Without it there is no formula.
    return sympy is not None and isinstance(dim, sympy.Max)


def parts_of(dim: Dim) -> Sequence[Dim]:
    """The formulas a size is the largest of; the size itself if it is one formula."""
    return cast("Any", dim).args if is_largest(dim) else (dim,)


def largest(dims: Sequence[Dim]) -> Dim:
    """The largest of sizes: a number if all are numbers, else one ``Max`` that is not evaluated."""
    distinct = list(dict.fromkeys(dims))
    if not any(map(is_symbolic, distinct)):
        return max(cast("list[int]", distinct))
    import sympy

    return distinct[0] if len(distinct) == 1 else cast("Dim", sympy.Max(*distinct, evaluate=False))


_FACTORED_BITS, _FACTORED_ATOMS = 256, 12


def is_hard_to_factor(expression: Any) -> bool:
    """Whether a SymPy expression has giant numbers or many variables, so that to factor it takes minutes.

    SymPy looks for primes as large as the numbers of a polynomial, and for a polynomial in each variable by itself; a
    rounded quotient is a variable, too.
    """
    import sympy

    if len(expression.atoms(sympy.Symbol, sympy.Function, sympy.Indexed)) > _FACTORED_ATOMS:
        return True
    return any(int(number).bit_length() > _FACTORED_BITS for number in expression.atoms(sympy.Integer))


def factored(expression: Any) -> Any:
    """Return a SymPy expression as a product; of one that is hard to factor only what all terms share is taken out."""
    import sympy

    return sympy.factor_terms(expression) if is_hard_to_factor(expression) else sympy.factor(expression)


def shape_text(shape: Shape) -> str:
    """A shape as specs and options write it: ``3x32x32``; ``scalar`` for none."""
    return "x".join(str(dim) if not is_symbolic(dim) or str(dim).isalnum() else f"({dim})" for dim in shape) or "scalar"


def _as_dim(expression: Any) -> Dim:
    return int(expression) if expression.is_Integer else cast("Dim", expression)


def tidy(dim: Dim) -> Dim:
    """A formula in its expanded form; terms just before a sum's first one are drawn into the sum.

    ``h[0]*h[1] + Sum(h[k-1]*h[k], (k, 2, l))`` becomes ``Sum(h[k-1]*h[k], (k, 1, l))``.
    """
    return _tidied(dim) if is_symbolic(dim) else dim


@lru_cache(maxsize=10_000)
def _tidied(dim: Any) -> Dim:
    """As ``tidy``; the same amount stands in many rows and phases."""
    import sympy

    if is_largest(dim):
        return largest([_tidied(part) for part in parts_of(dim)])
    if not any(isinstance(part, sympy.Sum) for part in sympy.preorder_traversal(dim)):
        return _as_dim(sympy.expand(dim))
    from nncost.dims.families import merge_sums

    return _as_dim(merge_sums(dim))
