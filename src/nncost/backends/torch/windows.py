"""Convolutions and poolings as calls of ``torch.nn.functional``, and what their settings mean there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch.nn import functional

from nncost.backends.operands import divisor, integers, operands, widths
from nncost.backends.torch.call import TorchCall
from nncost.ir.graph import Region
from nncost.ir.layers import AdaptivePool, Conv, ConvTranspose, GlobalPool, Pool, Widths

Value = Any


# ------------------------------------------------------------------- convolutions
_CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}


def even(padding: Widths) -> tuple[int, ...] | None:
    """Return the padding of each axis if it is the same before and after, else None."""
    found = widths(padding)
    return tuple(low for low, _ in found) if all(low == high for low, high in found) else None


def _around(padding: Widths) -> list[int]:
    """Widths as ``functional.pad`` takes them: the last axis first."""
    return [width for pair in reversed(widths(padding)) for width in pair]


def convolution(region: Region) -> TorchCall:
    """Return the call of a convolution; uneven padding stands before it."""
    layer = region.settings(Conv)
    options = {"stride": layer.strides, "dilation": layer.dilations, "groups": layer.groups}
    run = partial(_CONVOLUTIONS[len(layer.strides)], **options)
    padding = even(layer.padding)
    if padding is not None:
        return TorchCall(partial(run, padding=padding), operands(region, 3))
    return TorchCall(partial(_padded, _around(layer.padding), 0.0, run), operands(region, 3))


def _padded(widths: list[int], value: float, run: Callable[..., Value], x: Value, *others: Value) -> Value:
    return run(functional.pad(x, widths, value=value), *others)


def output_padding(layer: ConvTranspose) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return PyTorch's padding and output_padding for a crop, or None if it has none."""
    crop = widths(layer.crop)
    padding = tuple(low for low, _ in crop)
    extra = tuple(low - high for low, high in crop)
    allowed = all(
        0 <= more < max(stride, dilation)
        for more, stride, dilation in zip(extra, layer.strides, layer.dilations, strict=True)
    )
    return (padding, extra) if allowed and min(padding) >= 0 else None


def transposed(region: Region) -> TorchCall:
    """Return the call of a transposed convolution; a crop that PyTorch does not have is cut off the full output."""
    layer = region.settings(ConvTranspose)
    options = {"stride": layer.strides, "dilation": layer.dilations, "groups": layer.groups}
    run = partial(_TRANSPOSED[len(layer.strides)], **options)
    found = output_padding(layer)
    if found is not None:
        return TorchCall(partial(run, padding=found[0], output_padding=found[1]), operands(region, 3))
    crop = [-width for width in _around(layer.crop)]
    return TorchCall(partial(_cropped, crop, run), operands(region, 3))


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


def pool_padding(region: Region) -> tuple[int, ...] | None:
    """Return the padding if PyTorch's pooling takes it itself: even, and no more than half the kernel.

    In three dimensions its average pooling also wants the kernel to fit without.
    """
    layer = region.settings(Pool)
    padding, kernel = even(layer.padding), integers(layer.kernel)
    if padding is None or any(2 * width > taps for width, taps in zip(padding, kernel, strict=True)):
        return None
    spatial = integers(region.inputs[0].shape[2:])
    fits = layer.function == "max" or all(size >= taps for size, taps in zip(spatial, kernel, strict=True))
    return padding if fits else None


def max_pool(region: Region) -> TorchCall:
    """Return the call of a maximum pooling; padding that it does not take stands before it."""
    layer = region.settings(Pool)
    options = {"kernel_size": layer.kernel, "stride": layer.strides, "dilation": layer.dilations}
    run = partial(_POOLS["max"][len(layer.kernel)], **options)
    padding = pool_padding(region)
    if padding is not None:
        return TorchCall(partial(run, padding=padding), region.inputs)
    return TorchCall(partial(_padded, _around(layer.padding), -math.inf, run), region.inputs)


def average_pool(region: Region) -> TorchCall:
    """Return the call of an average pooling, with PyTorch's divisor or with the mean of each window times a factor."""
    layer = region.settings(Pool)
    run = partial(_POOLS["average"][len(layer.kernel)], kernel_size=layer.kernel, stride=layer.strides)
    padding, taps, by = pool_padding(region), math.prod(integers(layer.kernel)), divisor(region)
    if padding is not None and isinstance(by, float) and by == taps:
        return TorchCall(partial(run, padding=padding), region.inputs)
    if padding is not None and layer.divisor is None and not layer.count_padding:
        return TorchCall(partial(run, padding=padding, count_include_pad=False), region.inputs)
    whole = partial(_padded, _around(layer.padding), 0.0, run) if any(_around(layer.padding)) else run
    return TorchCall(partial(_rescaled, whole), region.inputs, constants=(taps / by,))


def _rescaled(run: Callable[..., Value], x: Value, factor: Value) -> Value:
    return run(x) * factor


def _global_average(keep: bool, x: Value) -> Value:
    return torch.mean(x, dim=tuple(range(2, x.dim())), keepdim=keep)


def _global_max(keep: bool, x: Value) -> Value:
    y = x.flatten(2).max(dim=2).values
    return y.reshape(*y.shape, *(1,) * (x.dim() - 2)) if keep else y


def global_pool(layer: GlobalPool, region: Region) -> TorchCall:
    """Return the call that pools all positions of each channel."""
    return TorchCall(
        partial(_global_average if layer.function == "average" else _global_max, layer.keep), region.inputs
    )


def adaptive_pool(layer: AdaptivePool, region: Region) -> TorchCall:
    """Return the call that leaves a number of positions."""
    run = _POOLS[f"adaptive_{layer.function}"][len(layer.output)]
    return TorchCall(partial(run, output_size=layer.output), region.inputs)
