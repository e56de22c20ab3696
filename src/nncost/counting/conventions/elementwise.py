"""The size of an elementwise result, as ptflops, calflops and DeepSpeed work it out."""

from __future__ import annotations

from itertools import zip_longest
from math import prod

from nncost.ir.call_log import FunctionCall, Plain, TensorMeta


def operands(call: FunctionCall, *names: str) -> list[Plain]:
    """The first arguments, given by position or by name. Raises TypeError where one is missing."""
    given = list(call.inputs[: len(names)])
    for name in names[len(given) :]:
        if name not in call.keywords:
            raise TypeError(f"{call.name} without {name}")
        given.append(call.keywords[name])
    return given


def from_the_left(left: Plain, right: Plain) -> int:
    """The larger of each pair of sizes, paired from the left; broadcasting pairs from the right."""
    if isinstance(left, TensorMeta) and isinstance(right, TensorMeta):
        return prod(max(pair) for pair in zip_longest(left.shape, right.shape, fillvalue=1))
    return _one(left, right)


def from_the_right(left: Plain, right: Plain) -> int:
    """The size of the broadcast result."""
    if isinstance(left, TensorMeta) and isinstance(right, TensorMeta):
        pairs = zip_longest(left.shape[::-1], right.shape[::-1], fillvalue=1)
        return prod(b if a == 1 else a for a, b in pairs)
    return _one(left, right)


def _one(left: Plain, right: Plain) -> int:
    if isinstance(left, TensorMeta):
        return left.elements
    return right.elements if isinstance(right, TensorMeta) else 1
