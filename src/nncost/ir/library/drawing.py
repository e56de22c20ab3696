"""Random numbers of several distributions, made of uniform ones: each is one random number, whatever its distribution."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np

from nncost.dims import Dim, Shape, ceil_log2
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation

Array = Any
SINGLE = "float32"
"""The type that is drawn in."""


def uniform(b: Builder, shape: Shape, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Numbers from ``low`` to ``high``: 1 random each, 1 mul and 1 add unless they are those from 0 to 1."""
    return _moved(b, b.emit(ops.Random(shape)), low, high - low)


def normal(b: Builder, shape: Shape, mean: float = 0.0, deviation: float = 1.0) -> Tensor:
    """Normally distributed numbers: 1 random each, 1 mul by any deviation but 1, 1 add to any mean but 0."""
    shaped = ops.Algorithm("normal", ((shape, SINGLE),), {}, run=_normal)
    return _moved(b, b.emit(shaped, b.emit(ops.Random(shape))), mean, deviation)


def _moved(b: Builder, x: Tensor, start: float, factor: float) -> Tensor:
    x = x if factor == 1 else b.map("mul", x, b.full((), factor, SINGLE))
    return x if start == 0 else b.map("add", x, b.full((), start, SINGLE))


_INVERSE = np.frompyfunc(NormalDist().inv_cdf, 1, 1)


def _normal(numbers: Array) -> Array:
    """The normal number below which so large a share of them lies."""
    shares = np.clip(numbers.astype(np.float64), np.finfo(np.float64).tiny, 1 - np.finfo(np.float64).epsneg)
    return np.asarray(_INVERSE(shares), dtype=numbers.dtype)


def bernoulli(b: Builder, chance: Tensor, dtype: str) -> Tensor:
    """One with that chance, else zero: 1 random, 1 cmp each."""
    with b.region(Operation("bernoulli"), chance) as region:
        numbers = in_type(b, b.emit(ops.Random(chance.shape)), chance.dtype)
        region.returns(b.emit(ops.Cast(dtype), b.map("greater", chance, numbers)))
    return region.outputs[0]


def multinomial(b: Builder, logits: Tensor, draws: int, dtype: str) -> Tensor:
    """``(B, C)`` gives ``(B, draws)`` classes by the logarithms of their chances, which need not add up to one.

    Cumulative chances are C−1 cmp, C add, C exp and C−1 add; a draw is 1 random, 1 mul and a search through them,
    ⌈log₂(C+1)⌉ cmp, an estimate.
    """
    batch, classes = logits.shape
    with b.region(Operation("multinomial"), logits) as region:
        largest = b.reduce("max", logits, [1], keep=True)
        sums = b.emit(ops.Scan("sum", 1), b.map("exp", b.map("sub", logits, largest)))
        total = b.pad(sums, 1, 1 - classes, 0)
        wanted = b.map("mul", in_type(b, b.emit(ops.Random((batch, draws))), logits.dtype), total)
        steps: Dim = batch * draws * ceil_log2(classes + 1)
        search = ops.Algorithm("search", (((batch, draws), dtype),), {"cmp": steps}, ops.ESTIMATED, _searched(dtype))
        region.returns(b.emit(search, sums, wanted))
    return region.outputs[0]


def _searched(dtype: str) -> Any:
    def run(sums: Array, wanted: Array) -> Array:
        found = [np.searchsorted(row, shares, side="right") for row, shares in zip(sums, wanted, strict=True)]
        return np.minimum(np.asarray(found), sums.shape[1] - 1).astype(dtype)

    return run


def in_type(b: Builder, x: Tensor, dtype: str) -> Tensor:
    """A tensor in a type; itself if it has it."""
    return x if x.dtype == dtype else b.emit(ops.Cast(dtype), x)
