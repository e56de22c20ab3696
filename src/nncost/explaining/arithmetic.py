"""The arithmetic of operations that no card explains: each one's sizes multiplied, as the counting rules do it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import cast

from nncost.counting.quantities import Quantity
from nncost.counting.taps import Axis, ValidTaps, valid_pairs
from nncost.dims import Dim, Shape, add_all, is_symbolic, product, same
from nncost.documents.document import Maths
from nncost.explaining.derivation import Counts, count_item
from nncost.explaining.executed import Executed
from nncost.ir import ops
from nncost.ir.graph import Item, Node, Region
from nncost.notation.written import joined, multiplied, tidied, written
from nncost.records import record, replace


@record
class Term:
    """``times`` equal products: how they are written, and what one of them is.

    Without ``is_worked_out`` the amount stands there without the sizes that it is the product of.
    """

    maths: Maths
    amount: Dim
    times: Dim = 1
    is_worked_out: bool = True


Terms = Mapping[Quantity, Sequence[Term]]


def terms_of(work: Executed, amounts: Counts, *, valid_taps: bool) -> Terms:
    """Return for each quantity the products that its amount is the sum of; the amount itself if they are not known."""
    found: dict[Quantity, list[Term]] = {}
    taps = ValidTaps([work.item]) if valid_taps else None
    for node, times in _nodes([work.item], 1):
        if isinstance(node, Region):
            pieces: Counts = {"activations": node.activations, "masked_macs": node.masked}
        else:
            pieces = count_item(node, set(work.constants), valid_taps=valid_taps)
        for quantity, amount in pieces.items():
            if amount != 0:
                found.setdefault(quantity, []).append(_term(node, amount, times, taps))
    return {name: _agreeing(found.get(name, []), amount) for name, amount in amounts.items()}


def _agreeing(terms: Sequence[Term], amount: Dim) -> Sequence[Term]:
    total = add_all(term.amount * term.times for term in terms)
    return tuple(terms) if terms and same(total, amount) else (bare(amount),)


def bare(amount: Dim) -> Term:
    """Return an amount as it is."""
    return Term(tidied(amount), amount, is_worked_out=False)


def _term(item: Item, amount: Dim, times: Dim, taps: ValidTaps | None) -> Term:
    maths = _product(item, amount, taps)
    if maths is None and amount != 1:
        return replace(bare(amount), times=times)
    return Term(maths or tidied(amount), amount, times)


def _nodes(items: Sequence[Item], times: Dim) -> Iterator[tuple[Item, Dim]]:
    """Every region and operation with how often it runs; bodies of loops are entered."""
    for item in items:
        if isinstance(item, Region):
            yield item, times
            yield from _nodes(item.items, times)
        elif isinstance(item.op, ops.Repeat):
            yield from _nodes(item.op.body.items, times * item.op.times)
        else:
            yield item, times


def added_up(terms: Sequence[Term]) -> Maths:
    """Return the terms with plus signs between them, equal ones drawn together."""
    times: dict[Maths, list[Dim]] = {}
    for term in terms:
        times.setdefault(term.maths, []).append(term.times)
    return joined([_repeated(maths, add_all(numbers)) for maths, numbers in times.items()], " + ", " + ")


def _repeated(maths: Maths, times: Dim) -> Maths:
    loose = " + " in maths.text or (" − " in maths.text and not maths.text.endswith(")"))
    return maths if times == 1 else multiplied(times, maths, loose=loose)


# ------------------------------------------------------------------- one operation
@cache
def _letters() -> tuple[Dim, Dim]:
    """R results of K terms each."""
    import sympy

    return cast("tuple[Dim, Dim]", tuple(sympy.Dummy(name, integer=True, positive=True) for name in "RK"))


def _product(item: Item, amount: Dim, taps: ValidTaps | None) -> Maths | None:
    """The sizes that an amount is the product of; None where they are not known."""
    results, terms = _letters()
    if isinstance(item, Region):
        shape = item.outputs[0].shape if item.outputs else ()
        return _sized(results, shape, ()) if same(product(shape), amount) else _of_matrices(shape, amount)
    axes = taps.axes_of(item) if taps is not None else None
    if taps is not None and axes is not None:
        return _valid_products(amount, dict(taps.costs(item) or ()), axes)
    shape, inner = _sizes(item)
    count, each = product(shape), product(inner)
    for form, value in ((results * terms, count * each), (results * (terms - 1), count * (each - 1))):
        if inner and same(value, amount):
            return _sized(form, shape, inner)
    times = None if isinstance(item.op, (ops.Algorithm, ops.Sort)) else whole_quotient(amount, count)
    return None if times is None else _sized(results * times, shape, inner)


def _of_matrices(shape: Shape, amount: Dim) -> Maths | None:
    """What each matrix of a stack has of an amount, such as products for scores that a mask hides, times their number."""
    stack = shape[:-2]
    each = whole_quotient(amount, product(stack)) if stack else None
    if each is None:
        return None
    return joined([*(written(dim) for dim in stack), tidied(each)], "·", r" \cdot ")


def _valid_products(amount: Dim, costs: Counts, axes: Sequence[Axis]) -> Maths | None:
    """The pairs of position and tap that meet a value, axis by axis, times all else; minus one addition for each sum."""
    pairs = [valid_pairs(axis) for axis in axes]
    products = costs.get("mul", amount)
    rest = whole_quotient(products, product(pairs))
    if rest is None:
        return None
    factors = joined([written(factor) for factor in (*pairs, rest)], "·", r" \cdot ")
    return factors if same(amount, products) else joined([factors, tidied(products - amount)], " − ", " - ")


def _sizes(node: Node) -> tuple[Shape, Shape]:
    """The shape of the results, and the sizes over which each of them is a sum (or a maximum)."""
    shape = node.outputs[0].shape
    match node.op:
        case ops.Contract() as op:
            left, right, out = op.terms
            sizes = dict(zip(left + right, (*node.inputs[0].shape, *node.inputs[1].shape), strict=True))
            return shape, tuple(size for letter, size in sizes.items() if letter not in out) or (1,)
        case ops.Reduce(axes=axes):
            return shape, tuple(node.inputs[0].shape[axis] for axis in axes)
        case ops.ArgReduce(axis=axis):
            return shape, (node.inputs[0].shape[axis],)
        case ops.Scan(axis=axis):
            whole = node.inputs[0].shape
            return (*whole[:axis], *whole[axis + 1 :]), (whole[axis],)
        case ops.Fold() | ops.Scatter():
            return node.inputs[0].shape, ()
        case _:
            return shape, ()


def whole_quotient(amount: Dim, count: Dim) -> int | None:
    """Return how many there are of each, if that is a whole number."""
    if is_symbolic(amount) or is_symbolic(count):
        import sympy

        quotient = sympy.simplify(amount / count) if count != 0 else None
        return int(quotient) if quotient is not None and quotient.is_Integer else None
    return amount // count if count and amount % count == 0 else None


def _sized(form: Dim, shape: Shape, inner: Shape) -> Maths:
    results, terms = _letters()
    return written(form, (results, terms), {results: shape or (1,), terms: inner})
