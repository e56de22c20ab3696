"""Pooling layers."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.dims import Dim, product, shape_text
from nncost.frontends.spec.arguments import Arguments
from nncost.frontends.spec.kinds.spatial import image, kernel_sizes, padding_widths
from nncost.frontends.spec.layers import Context, layer
from nncost.frontends.spec.sizes import number_or_none
from nncost.ir.graph import Tensor
from nncost.ir.layers import Extreme
from nncost.ir.library import pool


@layer("maxpool", ["kernel"], ["stride", "pad", "dilation"], examples=["CxN, maxpool 3 stride=2"])
def _maxpool(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """The maximum of each window of K (stride K)."""
    axes = image(a, x, c)
    kernel = kernel_sizes(a, axes, "maxpool 2")
    stride = _pool_stride(a, kernel)
    dilation = a.per_axis("dilation", axes, 1)
    padding = padding_widths(a, x, kernel, stride, dilation)
    return pool.max_pool(c.builder, x, kernel=kernel, stride=stride, padding=padding, dilation=dilation)


@layer("avgpool", ["kernel"], ["stride", "pad"], examples=["CxN, avgpool 3 stride=2"])
def _avgpool(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """The mean of each window of K (stride K)."""
    axes = image(a, x, c)
    kernel = kernel_sizes(a, axes, "avgpool 2")
    stride = _pool_stride(a, kernel)
    padding = padding_widths(a, x, kernel, stride, [1] * axes)
    return pool.average_pool(c.builder, x, kernel=kernel, stride=stride, padding=padding)


def _pool_stride(a: Arguments, kernel: Sequence[Dim]) -> list[int]:
    if a.word("stride") is not None:
        return a.per_axis("stride", len(kernel), 1)
    numbers = [number_or_none(size) for size in kernel]
    if None in numbers:
        raise a.sizes.error("a symbolic kernel needs stride=", a.layer.name, hint="For example:  maxpool k stride=2")
    return [number for number in numbers if number is not None]


@layer("global_avgpool", examples=["CxHxW, global_avgpool"])
def _global_avgpool(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """The mean of each channel: a vector of C."""
    image(a, x, c)
    return pool.global_average_pool(c.builder, x)


@layer("global_maxpool", examples=["CxHxW, global_maxpool"])
def _global_maxpool(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """The maximum of each channel: a vector of C."""
    image(a, x, c)
    return pool.global_max_pool(c.builder, x)


@layer("adaptive_avgpool", ["out"], examples=["1x5x5, adaptive_avgpool 3"])
def _adaptive_avgpool(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Means over windows chosen so that OUT (or OUTxOUT) remain."""
    return _adaptive(c, x, a, "average")


@layer("adaptive_maxpool", ["out"], examples=["1x5x5, adaptive_maxpool 3"])
def _adaptive_maxpool(c: Context, x: Tensor, a: Arguments) -> Tensor:
    """Maxima over windows chosen so that OUT (or OUTxOUT) remain."""
    return _adaptive(c, x, a, "max")


def _adaptive(c: Context, x: Tensor, a: Arguments, function: Extreme) -> Tensor:
    axes = image(a, x, c)
    a.required("out", f"{a.layer.name.text} 7x7")
    output = a.per_axis("out", axes, 1)
    for dim, size in zip(x.shape[2:], output, strict=True):
        number = number_or_none(dim)
        if number is None or number < size or product(output) > MAX_ADAPTIVE_WINDOWS:
            raise c.sizes.error(
                f"cannot pool {shape_text(x.shape[2:])} to {shape_text(tuple(output))}: sizes must be numbers, "
                f"no larger than the input, and at most {MAX_ADAPTIVE_WINDOWS:,} windows",
                a.layer.name,
            )
    return pool.adaptive_pool(c.builder, x, output, function=function)


MAX_ADAPTIVE_WINDOWS = 2_500
"""Each window of an adaptive pooling is a reduction of its own."""
