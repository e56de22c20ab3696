"""Norms that say their statistics, and those that divide by something else than a root of a variance and ε."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.dims import exact_divide
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library.casts import computing_in, in_type
from nncost.ir.library.norm import EPSILON, normal_and_statistics, per_channel
from nncost.ir.library.reductions import vector_norm


def norm_with_statistics(
    b: Builder, x: Tensor, scale: Tensor | None, shift: Tensor | None,
    *, axes: int, epsilon: float = EPSILON, centre: bool = True, working: str = "",
) -> list[Tensor]:  # fmt: skip
    """Layer norm over the last ``axes`` axes (RMS norm without ``centre``), its mean if it has one, and 1/σ: all outputs.

    The statistics are taken in the type ``working``; what is normalised is scaled and shifted in the type of ``x``. It
    counts as the plain norm does; gradients are derived step by step, because they may pass the statistics.
    """
    given = [tensor for tensor in (scale, shift) if tensor is not None]
    with b.region(Operation("layernorm" if centre else "rmsnorm"), x, *given) as region:
        wide = in_type(b, x, working or x.dtype)
        with computing_in(b, wide.dtype):
            over = range(x.rank - axes, x.rank)
            normal, mean, deviation = normal_and_statistics(b, wide, over, epsilon, centre=centre)
        y = in_type(b, normal, x.dtype)
        y = y if scale is None else b.map("mul", y, scale)
        y = y if shift is None else b.map("add", y, shift)
        region.returns(y, *([] if mean is None else [mean]), deviation)
    return list(region.outputs)


def group_norm_in(
    b: Builder, x: Tensor, groups: int, scale: Tensor, shift: Tensor, *, epsilon: float, working: str
) -> Tensor:
    """Group norm whose statistics are taken in the type ``working``, with an affine map per channel in that of ``x``."""
    with b.region(Operation("groupnorm"), x, scale, shift) as region:
        wide = in_type(b, b.reshape(x, (x.shape[0], groups, exact_divide(x.shape[1], groups), *x.shape[2:])), working)
        with computing_in(b, working):
            normal = normal_and_statistics(b, wide, range(2, wide.rank), epsilon, centre=True)[0]
        y = in_type(b, b.reshape(normal, x.shape), x.dtype)
        region.returns(b.map("add", b.map("mul", y, per_channel(b, scale, x)), per_channel(b, shift, x)))
    return region.outputs[0]


def lp_norm(b: Builder, x: Tensor, order: int, axis: int) -> Tensor:
    """x/‖x‖ₚ along an axis, zero where the norm is zero: that of the norm, and for each element 1 div and 2 cmp."""
    with b.region(Operation("lpnorm"), x) as region:
        length = b.broadcast(vector_norm(b, x, order, [axis], keep=True), x.shape)
        region.returns(b.map("select", b.map("equal", length, 0.0), 0.0, b.map("div", x, length)))
    return region.outputs[0]


MEAN_VARIANCE_EPSILON = 1e-9
"""What ONNX adds to the deviation, not to the variance."""


def mean_variance_norm(b: Builder, x: Tensor, axes: Sequence[int]) -> Tensor:
    """(x − E x)/(√(E x² − (E x)²) + ε) over axes: n elements take 1 mul, 1 div and 3 add each, but for two sums' first terms."""
    with b.region(Operation("mvn"), x) as region:
        mean = b.mean(x, axes, keep=True)
        variance = b.map("sub", b.mean(b.map("square", x), axes, keep=True), b.map("square", mean))
        deviation = b.map("add", b.map("sqrt", variance), MEAN_VARIANCE_EPSILON)
        region.returns(b.map("div", b.map("sub", x, mean), deviation))
    return region.outputs[0]
