"""Convolutions and poolings as calls of ``torch.nn.functional``, and what their settings mean there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from nncost.backends.meaning.layers import (
    AdaptivePool,
    AveragePool,
    Convolution,
    GlobalPool,
    MaxPool,
    TransposedConvolution,
    Widths,
)
from nncost.backends.meaning.pools import inside_counts
from nncost.backends.torch.call import Call, sizes_of

Value = Any


# ------------------------------------------------------------------- convolutions
_CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}


def even(padding: Widths) -> tuple[int, ...] | None:
    """The padding of each axis where it is the same before and after; None elsewhere."""
    return tuple(low for low, _ in padding) if all(low == high for low, high in padding) else None


def _around(padding: Widths) -> list[int]:
    """Widths as ``functional.pad`` takes them: the last axis first."""
    return [width for pair in reversed(padding) for width in pair]


def convolution(layer: Convolution) -> Call:
    """Uneven padding stands before the convolution."""
    options = {"stride": layer.strides, "dilation": layer.dilations, "groups": layer.groups}
    run = partial(_CONVOLUTIONS[len(layer.strides)], **options)
    padding = even(layer.padding)
    if padding is not None:
        return Call(partial(run, padding=padding), (layer.x, layer.weight, layer.bias))
    return Call(partial(_padded, _around(layer.padding), 0.0, run), (layer.x, layer.weight, layer.bias))


def _padded(widths: list[int], value: float, run: Callable[..., Value], x: Value, *others: Value) -> Value:
    return run(functional.pad(x, widths, value=value), *others)


def output_padding(layer: TransposedConvolution) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """PyTorch's padding and output_padding for a crop; None where it has none."""
    padding = tuple(low for low, _ in layer.crop)
    extra = tuple(low - high for low, high in layer.crop)
    allowed = all(
        0 <= more < max(stride, dilation)
        for more, stride, dilation in zip(extra, layer.strides, layer.dilations, strict=True)
    )
    return (padding, extra) if allowed and min(padding) >= 0 else None


def transposed(layer: TransposedConvolution) -> Call:
    """A crop that PyTorch has no form of is cut off the full output."""
    options = {"stride": layer.strides, "dilation": layer.dilations, "groups": layer.groups}
    run = partial(_TRANSPOSED[len(layer.strides)], **options)
    operands = (layer.x, layer.weight, layer.bias)
    found = output_padding(layer)
    if found is not None:
        return Call(partial(run, padding=found[0], output_padding=found[1]), operands)
    return Call(partial(_cropped, _around(tuple((-low, -high) for low, high in layer.crop)), run), operands)


def _cropped(widths: list[int], run: Callable[..., Value], x: Value, weight: Value, bias: Value) -> Value:
    """The full output without its bias, cropped or extended by zeros; then the bias, everywhere."""
    y = functional.pad(run(x, weight, None), widths)
    return y if bias is None else y + bias.reshape(-1, *(1,) * (y.dim() - 2))


# ------------------------------------------------------------------- pooling
_POOLS: Mapping[str, Mapping[int, Any]] = {
    "max": {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d},
    "average": {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d},
    "adaptive_average": {
        1: functional.adaptive_avg_pool1d, 2: functional.adaptive_avg_pool2d, 3: functional.adaptive_avg_pool3d,
    },
    "adaptive_max": {
        1: functional.adaptive_max_pool1d, 2: functional.adaptive_max_pool2d, 3: functional.adaptive_max_pool3d,
    },
}  # fmt: skip


def within_half(padding: Widths, kernel: Sequence[int]) -> tuple[int, ...] | None:
    """A padding PyTorch's pooling takes itself: even, and no more than half the kernel."""
    widths = even(padding)
    return widths if widths is not None and all(2 * w <= k for w, k in zip(widths, kernel, strict=True)) else None


def own_padding(layer: AveragePool) -> tuple[int, ...] | None:
    """The padding PyTorch's average pooling takes itself; in three dimensions it wants the kernel to fit without."""
    fits = all(size >= taps for size, taps in zip(sizes_of(layer.x.shape[2:]), layer.kernel, strict=True))
    return within_half(layer.padding, layer.kernel) if fits else None


def max_pool(layer: MaxPool) -> Call:
    """Padding beyond half the kernel stands before the pooling."""
    run = partial(
        _POOLS["max"][len(layer.kernel)], kernel_size=layer.kernel, stride=layer.strides, dilation=layer.dilations
    )
    padding = within_half(layer.padding, layer.kernel)
    if padding is not None:
        return Call(partial(run, padding=padding), (layer.x,))
    return Call(partial(_padded, _around(layer.padding), -math.inf, run), (layer.x,))


def average_pool(layer: AveragePool) -> Call:
    """With PyTorch's own divisor where it has one, else the mean of each window times a factor."""
    run = partial(_POOLS["average"][len(layer.kernel)], kernel_size=layer.kernel, stride=layer.strides)
    padding, taps = own_padding(layer), math.prod(layer.kernel)
    if padding is not None and isinstance(layer.divisor, float) and layer.divisor == taps:
        return Call(partial(run, padding=padding), (layer.x,))
    if (
        padding is not None
        and not isinstance(layer.divisor, float)
        and np.array_equal(layer.divisor, inside_counts(layer))
    ):
        return Call(partial(run, padding=padding, count_include_pad=False), (layer.x,))
    whole = partial(_padded, _around(layer.padding), 0.0, run) if any(map(any, layer.padding)) else run
    return Call(partial(_rescaled, whole), (layer.x,), constants=(taps / layer.divisor,))


def _rescaled(run: Callable[..., Value], x: Value, factor: Value) -> Value:
    return run(x) * factor


def _global_average(keep: bool, x: Value) -> Value:
    return torch.mean(x, dim=tuple(range(2, x.dim())), keepdim=keep)


def _global_max(keep: bool, x: Value) -> Value:
    y = x.flatten(2).max(dim=2).values
    return y.reshape(*y.shape, *(1,) * (x.dim() - 2)) if keep else y


def global_pool(layer: GlobalPool) -> Call:
    """All positions of each channel as one."""
    return Call(partial(_global_average if layer.function == "average" else _global_max, layer.keep), (layer.x,))


def adaptive_pool(layer: AdaptivePool) -> Call:
    """Windows so that a number of positions remains."""
    run = _POOLS[f"adaptive_{layer.function}"][len(layer.output)]
    return Call(partial(run, output_size=layer.output), (layer.x,))
