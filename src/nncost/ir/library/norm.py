"""Normalisation: batch, layer, group, instance and RMS norm, and local response normalisation."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.dims import Dim, exact_divide
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Gradients, Region, Tensor
from nncost.ir.layers import BatchNorm, GroupNorm, LayerNorm, LocalResponseNorm, Normalise, Operation, RMSNorm

EPSILON = 1e-5
MOMENTUM = 0.1
"""PyTorch's default share of the new batch in the running averages."""


def batch_norm(
    b: Builder, x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor | None, variance: Tensor | None,
    *, epsilon: float = EPSILON, momentum: float = MOMENTUM,
) -> Tensor:  # fmt: skip
    """``(B, C, *spatial)`` normalised per channel; all four vectors have C elements.

    Inference: 2 mul, 2 add, 1 sqrt and 1 div per channel, then 1 mul and 1 add per element.
    Training (``b.training``): batch statistics, normalisation, and the running averages if there are any.
    """
    if b.training or mean is None or variance is None:
        return batch_norm_training(b, x, (scale, shift), (mean, variance), epsilon=epsilon, momentum=momentum)[0]
    with b.region(BatchNorm(epsilon), x, scale, shift, mean, variance) as region:
        factor = b.map("mul", scale, inverse_deviation(b, variance, epsilon))
        offset = b.map("sub", shift, b.map("mul", mean, factor))
        y = b.map("add", b.map("mul", x, per_channel(b, factor, x)), per_channel(b, offset, x))
        region.returns(y)
    return y


def batch_norm_training(
    b: Builder, x: Tensor, affine: tuple[Tensor, Tensor], running: tuple[Tensor | None, Tensor | None],
    *, epsilon: float = EPSILON, momentum: float = MOMENTUM, unbiased: bool = True, returned: bool = False,
) -> list[Tensor]:  # fmt: skip
    """``x`` (B, C, *spatial) normalised by the statistics of the batch, which are averaged into the running ones given.

    Each running average takes 2 mul and 1 add per channel, an ``unbiased`` variance 1 mul more. With ``returned`` the
    new averages, the mean and the variance of the batch are outputs behind ``y``; else the averages outlive the region.
    """
    (scale, shift), (mean, variance) = affine, running
    given = [average for average in running if average is not None]
    layer = Operation("batchnorm") if returned else BatchNorm(epsilon, momentum)
    with b.region(layer, x, scale, shift, *given) as region:
        batch_mean, centred, batch_variance = channel_moments(b, x)
        deviation = inverse_deviation(b, batch_variance, epsilon)
        normal = b.map("mul", centred, per_channel(b, deviation, x))
        y = b.map("add", b.map("mul", normal, per_channel(b, scale, x)), per_channel(b, shift, x))
        averages: list[Tensor] = []
        if mean is not None:
            averages.append(_running_average(b, mean, batch_mean, momentum))
        if variance is not None:
            spread = (
                b.map("mul", batch_variance, _bessel(b, (x.shape[0], *x.shape[2:]))) if unbiased else batch_variance
            )
            averages.append(_running_average(b, variance, spread, momentum))
        outputs = [y, *averages, batch_mean, batch_variance] if returned else [y]
        effects = () if returned else averages
        region.returns(*outputs, saved=(normal, deviation), gradient=_batch_norm_gradient, effects=effects)
    return outputs


def channel_moments(b: Builder, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The mean (C,) of each channel, ``x`` with the mean taken off, and the variance (C,)."""
    axes = [0, *range(2, x.rank)]
    mean = b.mean(x, axes)
    centred = b.map("sub", x, per_channel(b, mean, x))
    return mean, centred, b.mean(b.map("square", centred), axes)


def _running_average(b: Builder, average: Tensor, fresh: Tensor, momentum: float) -> Tensor:
    return b.map("add", b.map("mul", 1 - momentum, average), b.map("mul", momentum, fresh))


def _bessel(b: Builder, count: Sequence[Dim]) -> Tensor:
    """n/(n−1): the running variance is unbiased. The factor is a constant, hence free."""
    n = b.size_constant(count)
    return b.map("div", n, b.map("max", b.map("sub", n, 1.0), 1.0))


def _batch_norm_gradient(
    b: Builder, region: Region, g: Sequence[Tensor | None], wanted: frozenset[Tensor]
) -> Gradients:
    """dx = γ/σ·(g − Σg/n − x̂·Σ(g·x̂)/n), with the two sums being the gradients of β and γ.

    Miniature, n = 2, x̂ = (1, −1), γ/σ = 1, g = (2, 0): Σg/n = 1, Σg·x̂/n = 1, dx = (0, 0): two
    points are always normalised to ±1, so nothing they do changes y.
    """
    x, scale, shift, *_ = region.inputs
    (normal, deviation), dy = region.saved, g[0]
    if dy is None:  # No gradient passes the statistics.
        return {}
    axes = [0, *range(2, x.rank)]
    result: dict[Tensor, Tensor] = {}
    if {x, shift} & wanted:
        result[shift] = b.reduce("sum", dy, axes)
    if {x, scale} & wanted:
        result[scale] = b.reduce("sum", b.map("mul", dy, normal), axes)
    if x in wanted:
        n = b.size_constant([x.shape[axis] for axis in axes])
        mean_gradient = per_channel(b, b.map("div", result[shift], n), x)
        slope = per_channel(b, b.map("div", result[scale], n), x)
        inner = b.map("sub", b.map("sub", dy, mean_gradient), b.map("mul", normal, slope))
        result[x] = b.map("mul", per_channel(b, b.map("mul", scale, deviation), x), inner)
    return {tensor: gradient for tensor, gradient in result.items() if tensor in wanted}


def layer_norm(
    b: Builder, x: Tensor, scale: Tensor | None, shift: Tensor | None, *, axes: int = 1, epsilon: float = EPSILON
) -> Tensor:
    """The last ``axes`` axes normalised; ``scale`` and ``shift`` have their shape."""
    given = [tensor for tensor in (scale, shift) if tensor is not None]
    with b.region(LayerNorm(axes, epsilon, scale is not None, shift is not None), x, *given) as region:
        region.returns(_normalised(b, x, scale, shift, list(range(x.rank - axes, x.rank)), epsilon, centre=True))
    return region.outputs[0]


def rms_norm(b: Builder, x: Tensor, scale: Tensor | None, *, epsilon: float = EPSILON) -> Tensor:
    """The last axis divided by its root mean square, times ``scale``."""
    with b.region(RMSNorm(epsilon, scale is not None), x, *([] if scale is None else [scale])) as region:
        region.returns(_normalised(b, x, scale, None, [x.rank - 1], epsilon, centre=False))
    return region.outputs[0]


def group_norm(
    b: Builder, x: Tensor, groups: Dim, scale: Tensor | None, shift: Tensor | None,
    *, epsilon: float = EPSILON, instance: bool = False,
) -> Tensor:  # fmt: skip
    """``(B, C, *spatial)`` normalised over each group of channels; affine per channel."""
    given = [tensor for tensor in (scale, shift) if tensor is not None]
    with b.region(GroupNorm(groups, epsilon, scale is not None, shift is not None, instance), x, *given) as region:
        grouped = b.reshape(x, (x.shape[0], groups, exact_divide(x.shape[1], groups), *x.shape[2:]))
        normal = b.reshape(
            _normalised(b, grouped, None, None, list(range(2, grouped.rank)), epsilon, centre=True), x.shape
        )
        if scale is not None:
            normal = b.map("mul", normal, per_channel(b, scale, x))
        if shift is not None:
            normal = b.map("add", normal, per_channel(b, shift, x))
        region.returns(normal)
    return region.outputs[0]


def instance_norm(
    b: Builder, x: Tensor, scale: Tensor | None, shift: Tensor | None, *, epsilon: float = EPSILON
) -> Tensor:
    """Group norm with one group per channel."""
    return group_norm(b, x, x.shape[1], scale, shift, epsilon=epsilon, instance=True)


def local_response_norm(
    b: Builder, x: Tensor, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0
) -> Tensor:
    """x / (bias + α/size·Σx²)^β, the sum over ``size`` neighbouring channels (Krizhevsky et al. 2012)."""
    with b.region(LocalResponseNorm(size, alpha, beta, bias), x) as region:
        before = (size - 1) // 2
        padded = b.pad(b.map("square", x), 1, before, size - 1 - before)
        taps = b.emit(ops.Window((1,), (size,), (1,), (1,)), padded)
        total = b.reduce("sum", taps, [x.rank])
        base = b.map("add", bias, b.map("mul", b.size_constant([size], alpha, inverse=True), total))
        y = b.map("div", x, b.map("pow", base, beta))
        region.returns(y)
    return y


def _normalised(
    b: Builder,
    x: Tensor,
    scale: Tensor | None,
    shift: Tensor | None,
    axes: Sequence[int],
    epsilon: float,
    *,
    centre: bool,
) -> Tensor:
    """(x − mean)/√(variance + ε), scaled and shifted, as one region with the closed-form gradient."""
    given = [tensor for tensor in (scale, shift) if tensor is not None]
    layer = Normalise(tuple(axes), epsilon, scale is not None, shift is not None, centre)
    with b.region(layer, x, *given) as region:
        normal, _, deviation = normal_and_statistics(b, x, axes, epsilon, centre=centre)
        y = normal if scale is None else b.map("mul", normal, scale)
        y = y if shift is None else b.map("add", y, shift)
        region.returns(y, saved=(normal, deviation), gradient=_normalised_gradient)
    return y


def normal_and_statistics(
    b: Builder, x: Tensor, axes: Sequence[int], epsilon: float, *, centre: bool
) -> tuple[Tensor, Tensor | None, Tensor]:
    """(x − mean)/σ, the mean if it is taken off, and 1/σ; axes of the statistics are kept with size one."""
    mean = b.mean(x, axes, keep=True) if centre else None
    centred = x if mean is None else b.map("sub", x, mean)
    deviation = inverse_deviation(b, b.mean(b.map("square", centred), axes, keep=True), epsilon)
    return b.map("mul", centred, deviation), mean, deviation


def _normalised_gradient(
    b: Builder, region: Region, g: Sequence[Tensor | None], wanted: frozenset[Tensor]
) -> Gradients:
    """dx = (h − mean(h) − x̂·mean(h·x̂))/σ with h = g·γ; without centring the mean(h) is absent."""
    x, *given = region.inputs
    (normal, deviation), dy = region.saved, g[0]
    assert dy is not None
    layer = region.settings(Normalise)
    axes, scale = layer.axes, given.pop(0) if layer.scale else None
    outer = list(range(min(axes)))
    result: dict[Tensor, Tensor] = {}
    if scale is not None and scale in wanted:
        result[scale] = b.reduce("sum", b.map("mul", dy, normal), outer)
    if given and given[0] in wanted:
        result[given[0]] = b.reduce("sum", dy, outer)
    if x in wanted:
        h = dy if scale is None else b.map("mul", dy, scale)
        slope = b.mean(b.map("mul", h, normal), axes, keep=True)
        inner = b.map("sub", h, b.mean(h, axes, keep=True)) if layer.centre else h
        result[x] = b.map("mul", deviation, b.map("sub", inner, b.map("mul", normal, slope)))
    return result


def inverse_deviation(b: Builder, variance: Tensor, epsilon: float) -> Tensor:
    """1/√(variance + ε): 1 add, 1 sqrt, 1 div."""
    return b.map("div", 1.0, b.map("sqrt", b.map("add", variance, epsilon)))


def by_group(b: Builder, vector: Tensor, channels: Dim) -> Tensor:
    """A vector of one number per group as one per channel; itself if it has that many."""
    each = exact_divide(channels, vector.shape[0])
    return b.reshape(b.broadcast(b.unsqueeze(vector, 1), (vector.shape[0], each)), (channels,)) if each != 1 else vector


def per_channel(b: Builder, vector: Tensor, x: Tensor) -> Tensor:
    """A vector of C elements over ``(B, C, *spatial)``."""
    return b.broadcast(b.reshape(vector, (*vector.shape, *(1,) * (x.rank - 2))), x.shape)
