"""Bilinear layers: three operands in one sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nncost.frontends.torch.lowerings.registry import Call, lowers
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor

_LETTERS = "abcdefghijklmnop"
_FIRST: Mapping[tuple[int, ...], tuple[int, int]] = {(2, 3): (0, 1), (1, 2): (0, 1), (1, 3): (0, 2), (0,): (1, 2)}
"""Which two operands meet first, by the axes that are summed: x₁ and W forward; backward as its derivative does."""


@lowers("aten::_trilinear")
def _trilinear(call: Call) -> Tensor:
    """``Σ i₁·i₂·i₃`` as two contractions; in the gradient of x₁ the product g ⊗ x₂ is the one W's gradient has made.

    Axes are those of the product of all three: (batch, out, in₁, in₂) in ``nn.Bilinear``.
    """
    b = call.builder
    given = [call.tensor(name) for name in ("i1", "i2", "i3")]
    letters = [
        _named(x.rank + len(expand), expand)
        for x, expand in zip(given, (call["expand1"], call["expand2"], call["expand3"]), strict=True)
    ]
    summed = tuple(sorted(call["sumdim"]))
    result = "".join(
        letter for letter in sorted({*"".join(letters)}) if letter not in {_LETTERS[axis] for axis in summed}
    )
    first = _FIRST.get(summed, (0, 1))
    last = 3 - sum(first)
    left, right = letters[first[0]], letters[first[1]]
    kept = "".join(x for x in sorted({*left, *right}) if x in result or x in letters[last])
    if summed == (1, 3) and set(kept) == {*left, *right}:
        middle = _outer(b, (given[first[0]], left), (given[first[1]], right), kept)
    else:
        middle = b.contract(f"{left},{right}->{kept}", given[first[0]], given[first[1]])
    return b.reshape(b.contract(f"{kept},{letters[last]}->{result}", middle, given[last]), call.outputs[0][0])


def _named(rank: int, expand: Sequence[int]) -> str:
    return "".join(_LETTERS[axis] for axis in range(rank) if axis not in expand)


def _outer(b: Builder, left: tuple[Tensor, str], right: tuple[Tensor, str], kept: str) -> Tensor:
    """A product without a sum."""
    sides = []
    for x, letters in (left, right):
        sizes = dict(zip(letters, x.shape, strict=True))
        sides.append(b.reshape(x, tuple(sizes.get(letter, 1) for letter in kept)))
    return b.map("mul", *sides)
