"""Calls of PyTorch's functions as ptflops, calflops and DeepSpeed count them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from math import prod

from nncost.counting.conventions.convention import Rules
from nncost.ir.call_log import FunctionCall, Plain, TensorMeta, sizes

F = "torch.nn.functional."
POOLS = tuple(f"{kind}_pool{axes}d" for kind in ("avg", "max", "adaptive_avg", "adaptive_max") for axes in (1, 2, 3))
INTERPOLATIONS = (f"{F}upsample", f"{F}interpolate")


def operands(call: FunctionCall, *names: str) -> list[Plain]:
    """The first arguments, given by position or by name. Raise TypeError if one is missing."""
    given = list(call.inputs[: len(names)])
    for name in names[len(given) :]:
        if name not in call.keywords:
            raise TypeError(f"{call.name} without {name}")
        given.append(call.keywords[name])
    return given


def option(call: FunctionCall, position: int, name: str, default: Plain = None) -> Plain:
    """Return an option that is given by position or by name."""
    return call.inputs[position] if len(call.inputs) > position else call.keywords.get(name, default)


def one_each(call: FunctionCall) -> int:
    """One for each element that goes in."""
    return prod(sizes(operands(call, "input")[0]))


def matmul(call: FunctionCall) -> int:
    """The products, by the sizes of the first and the last size of the second."""
    left, right = operands(call, *(("self", "other") if call.name.startswith("torch.Tensor") else ("input", "other")))
    return prod(sizes(left)) * sizes(right)[-1]


def elementwise(rule: Callable[[Plain, Plain], int]) -> Rules:
    """Products and sums that are called by name; those written with a sign are not seen."""

    def count(call: FunctionCall) -> int:
        return rule(*operands(call, "input", "other"))

    reason = "one for each element; not where it is written with a sign"
    return {f"{owner}.{name}": (count, reason) for owner in ("torch", "torch.Tensor") for name in ("mul", "add")}


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
