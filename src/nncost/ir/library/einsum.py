"""Sums of products by an equation of index letters, as numpy.einsum writes them.

Operands are contracted from the left, two at a time. What only one operand has and nothing later needs is summed before
a product; a pair without a letter to sum over is multiplied element by element, which is no contraction.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from string import ascii_letters

from nncost.dims import Dim, is_symbolic, product
from nncost.errors import ShapeError
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import MatMul

Labelled = tuple[Tensor, str]
"""A tensor and a letter for each of its axes."""


def einsum(b: Builder, equation: str, operands: Sequence[Tensor], *, learned: bool = False) -> Tensor:
    """The einsum of the operands; of a product over K terms K mul and K−1 add per output. A ``learned`` one is a layer.

    Raise ShapeError for an equation that does not fit them.
    """
    terms, output = terms_of(equation, [operand.rank for operand in operands])
    with b.region(MatMul(learned), *operands) as region:
        labelled = [_diagonal(b, *pair) for pair in zip(operands, terms, strict=True)]
        sizes = _sizes(labelled)
        labelled = [_narrowed(b, *pair, sizes) for pair in labelled]
        rest = [set(output).union(*(letters for _, letters in labelled[n + 1 :])) for n in range(len(labelled))]
        found = _summed(b, *labelled[0], rest[0])
        for right, needed in zip(labelled[1:], rest[1:], strict=True):
            found = _pair(b, found, right, needed)
        y, letters = _summed(b, *found, output)
        y = b.transpose(y, [letters.index(letter) for letter in output if letter in letters])
        whole = b.reshape(y, tuple(sizes[letter] if letter in letters else 1 for letter in output))
        region.returns(b.broadcast(whole, tuple(sizes[letter] for letter in output)))
        if learned:
            region.neurons = product(region.outputs[0].shape[1:])
    return region.outputs[0]


def terms_of(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The letters of each operand and of the output; axes of ``...`` have letters of their own, aligned at the last one."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks) or not all(
        re.fullmatch(r"[A-Za-z]*(\.\.\.)?[A-Za-z]*", term) for term in (*terms, right)
    ):
        raise ShapeError(f"the equation {equation!r} does not fit {len(ranks)} operands.")
    counts = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    if any(count < 0 or (count > 0 and "..." not in term) for count, term in zip(counts, terms, strict=True)):
        raise ShapeError(f"the equation {equation!r} does not fit operands of {', '.join(map(str, ranks))} axes.")
    most = max(counts)
    unused = [letter for letter in ascii_letters if letter not in equation]
    if most > len(unused):
        raise ShapeError(f"the equation {equation!r} has more axes than there are letters.")
    free = "".join(unused[:most])
    written = [term.replace("...", free[most - count :]) for term, count in zip(terms, counts, strict=True)]
    if not arrow:
        every = left.replace(",", "").replace("...", "")
        right = "..." + "".join(sorted(letter for letter in set(every) if every.count(letter) == 1))
    output = right.replace("...", free)
    if len(set(output)) != len(output) or not set(output) <= set("".join(written)):
        raise ShapeError(f"the output of {equation!r} must have letters of its operands, each once.")
    return written, output


def _diagonal(b: Builder, x: Tensor, letters: str) -> Labelled:
    """Axes with one letter become one axis: every (n+1)-th of their n·n elements. Moves only."""
    for letter in dict.fromkeys(letters):
        while letters.count(letter) > 1:
            first, second = letters.index(letter), letters.rindex(letter)
            n = x.shape[first]
            if is_symbolic(n) or n != x.shape[second]:
                raise ShapeError(f"the index {letter!r} is {n} and {x.shape[second]} in one operand.")
            order = [axis for axis in range(x.rank) if axis not in (first, second)]
            moved = b.transpose(x, [*order, first, second])
            flat = b.reshape(moved, (*moved.shape[:-2], n * n))
            x = b.emit(ops.Stride(flat.rank - 1, int(n) + 1), flat)
            letters = "".join(letters[axis] for axis in order) + letter
    return x, letters


def _sizes(labelled: Sequence[Labelled]) -> dict[str, Dim]:
    """The size of each letter; sizes of one give way."""
    sizes: dict[str, Dim] = {}
    for x, letters in labelled:
        for letter, dim in zip(letters, x.shape, strict=True):
            known = sizes.setdefault(letter, dim)
            if known == 1:
                sizes[letter] = dim
            elif dim not in (1, known) and not is_symbolic(dim) and not is_symbolic(known):
                raise ShapeError(f"the index {letter!r} is {known} in one operand and {dim} in another.")
    return sizes


def _narrowed(b: Builder, x: Tensor, letters: str, sizes: Mapping[str, Dim]) -> Labelled:
    """Without the axes of size one that another operand repeats."""
    kept = [n for n, letter in enumerate(letters) if x.shape[n] != 1 or sizes[letter] == 1]
    return b.reshape(x, tuple(x.shape[n] for n in kept)), "".join(letters[n] for n in kept)


def _summed(b: Builder, x: Tensor, letters: str, needed: Collection[str]) -> Labelled:
    """Without the axes that nothing later needs."""
    gone = [axis for axis, letter in enumerate(letters) if letter not in needed]
    return b.reduce("sum", x, gone), "".join(letter for letter in letters if letter in needed)


def _pair(b: Builder, left: Labelled, right: Labelled, needed: Collection[str]) -> Labelled:
    """The product of two operands, summed over what both have and nothing later needs."""
    left = _summed(b, *left, {*needed, *right[1]})
    right = _summed(b, *right, {*needed, *left[1]})
    output = "".join(letter for letter in dict.fromkeys(left[1] + right[1]) if letter in needed)
    if set(left[1] + right[1]) <= set(output):
        spread = [_spread(b, *each, output) for each in (left, right)]
        return reduce(lambda x, y: b.map("mul", x, y), spread), output
    return b.contract(f"{left[1]},{right[1]}->{output}", left[0], right[0]), output


def _spread(b: Builder, x: Tensor, letters: str, output: str) -> Tensor:
    """Axes in the order of the output, of size one where it has more."""
    ordered = b.transpose(x, [letters.index(letter) for letter in output if letter in letters])
    sizes = iter(ordered.shape)
    return b.reshape(ordered, tuple(next(sizes) if letter in letters else 1 for letter in output))
