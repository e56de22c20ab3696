"""Numbers in eight bits: the steps into them and out of them, and training with numbers rounded to their steps.

Into eight bits, each element takes 1 mul (by the inverse step), 1 add (the zero point) and 2 cmp; if the
range is found while the layer runs, 2 cmp more. Steps and zero points belong to packed tensors, so that these
are algorithms in closed form. Corrections of products for zero points are left out.
"""

from __future__ import annotations

from typing import Union

from nncost.dims import Dim
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library.counts import scaled

EIGHT_BITS = "int8"
Number = Union[Tensor, float]


def quantize(b: Builder, x: Tensor, *, ranged: bool = False) -> Tensor:
    """Numbers in eight bits; with ``ranged`` their extremes are found first. ``x`` itself if it has no floats."""
    if not x.dtype.startswith("float"):
        return x
    counts = {"mul": x.elements, "add": x.elements, "cmp": 2 * x.elements + (2 * (x.elements - 1) if ranged else 0)}
    return b.emit(ops.Algorithm("quantize", ((x.shape, EIGHT_BITS),), counts), x)


def dequantize(b: Builder, x: Tensor, dtype: str = "float32") -> Tensor:
    """Out of eight bits: the zero point off (1 add), times the step (1 mul)."""
    return _each(b, "dequantize", {"add": 1, "mul": 1}, x, dtype)


def rescale(b: Builder, sums: Tensor, dtype: str = "float32") -> Tensor:
    """Sums of products of small numbers times the product of both steps: 1 mul."""
    return _each(b, "rescale", {"mul": 1}, sums, dtype)


def _each(b: Builder, name: str, counts: dict[str, Dim], x: Tensor, dtype: str) -> Tensor:
    return b.emit(ops.Algorithm(name, ((x.shape, dtype),), scaled(counts, x.elements)), x)


def scaled_by(b: Builder, y: Tensor, scale: Tensor) -> Tensor:
    """``y`` times a scale: one number, one per row or per column; finer blocks are scaled once per result too (1 mul)."""
    if scale.elements == 1:
        return b.map("mul", y, b.reshape(scale, ()))
    pairs = zip(reversed(scale.shape), reversed(y.shape), strict=False)
    if scale.rank <= y.rank and all(have in (1, want) for have, want in pairs):
        return b.map("mul", y, scale)
    return b.emit(ops.Algorithm("scale", ((y.shape, y.dtype),), {"mul": y.elements}), y, scale)


def fake_quantize(
    b: Builder, x: Tensor, step: Number, zero: Number, bounds: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """((round(x/s + z) clipped) − z)·s: 1 div, 2 add, 2 cmp, 1 mul; and whether nothing was clipped (2 cmp)."""
    levels = b.map("round", b.map("add", b.map("div", x, step), zero))
    inside = b.map("and", b.map("greater_equal", levels, bounds[0]), b.map("greater_equal", bounds[1], levels))
    kept = b.map("clip", levels, *bounds)
    return b.map("mul", b.map("sub", kept, zero), step), inside


def observed_steps(
    b: Builder, x: Tensor, low: Tensor, high: Tensor, share: float, bounds: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """The step and the zero point of the running range ``low`` … ``high``, to which this batch's range is averaged."""
    averages = []
    for kind, old in (("min", low), ("max", high)):
        fresh = b.reduce(kind, x, range(x.rank))
        averages.append(b.map("add", old, b.map("mul", share, b.map("sub", fresh, old))))
    step = b.map("div", b.map("sub", averages[1], averages[0]), bounds[1] - bounds[0])
    return step, b.map("sub", bounds[0], b.map("round", b.map("div", averages[0], step)))
