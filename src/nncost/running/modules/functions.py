"""Layers as calls of ``torch.nn.functional``: the function, and the tensors of the graph it takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, assert_never

import numpy as np
import torch
from torch.nn import functional

from nncost.ir.graph import Tensor
from nncost.running.meaning.layers import (
    Activation,
    AdaptivePool,
    Attention,
    AveragePool,
    BatchNorm,
    Convolution,
    Dense,
    Dropout,
    Embedding,
    GlobalPool,
    GroupNorm,
    LayerNorm,
    LocalResponse,
    MaxPool,
    Meaning,
    Recurrent,
    Softmax,
    TransposedConvolution,
    Widths,
)
from nncost.running.meaning.pools import inside_counts
from nncost.running.modules.recurrent import recurrent_call

Value = Any


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its operands; one that ``asks_mode`` takes first whether the layer is in training.

    ``constants`` are arrays the function takes behind its operands.
    """

    run: Callable[..., Value]
    operands: tuple[Tensor | None, ...]
    asks_mode: bool = False
    constants: tuple[Any, ...] = ()


def call_of(meaning: Meaning) -> Call | None:
    """The call that computes a layer; None where PyTorch has none for its settings."""
    match meaning:
        case Dense(x, weight, bias):
            return Call(functional.linear, (x, weight, bias))
        case Convolution():
            return _convolution(meaning)
        case TransposedConvolution():
            return _transposed(meaning)
        case MaxPool():
            return _max_pool(meaning)
        case AveragePool():
            return _average_pool(meaning)
        case GlobalPool(x, function, keep):
            return Call(partial(_global_average if function == "average" else _global_max, keep), (x,))
        case AdaptivePool(x, function, output):
            return Call(partial(_POOLS[f"adaptive_{function}"][len(output)], output_size=output), (x,))
        case Softmax(x, axis, logarithm):
            return Call(partial(functional.log_softmax if logarithm else functional.softmax, dim=axis), (x,))
        case Activation(x, name, settings):
            return Call(partial(_ACTIVATIONS[name], **dict(zip(_SETTINGS.get(name, ()), settings, strict=False))), (x,))
        case BatchNorm():
            return _batch_norm(meaning)
        case LayerNorm(x, scale, shift, axes, epsilon, centre):
            if not centre:
                shape = _sizes(x.shape[x.rank - axes :])
                return Call(partial(_rms_norm, shape, epsilon), (x, scale))
            return Call(partial(_layer_norm, _sizes(x.shape[x.rank - axes :]), epsilon), (x, scale, shift))
        case GroupNorm():
            return _group_norm(meaning)
        case LocalResponse(x, size, alpha, beta, bias):
            run = partial(functional.local_response_norm, size=size, alpha=alpha, beta=beta, k=bias)
            return Call(run, (x,))
        case Embedding(table, indices):
            return Call(functional.embedding, (indices, table))
        case Dropout(x, probability):
            return Call(partial(_dropout, probability), (x,), asks_mode=True)
        case Attention():
            return _attention(meaning)
        case Recurrent():
            return Call(*recurrent_call(meaning), asks_mode=True)
        case _:
            assert_never(meaning)


def _sizes(dims: Sequence[Any]) -> tuple[int, ...]:
    return tuple(int(dim) for dim in dims)


# ------------------------------------------------------------------- convolutions
_CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}


def even(padding: Widths) -> tuple[int, ...] | None:
    """The padding of each axis where it is the same before and after; None elsewhere."""
    return tuple(low for low, _ in padding) if all(low == high for low, high in padding) else None


def _around(padding: Widths) -> list[int]:
    """Widths as ``functional.pad`` takes them: the last axis first."""
    return [width for pair in reversed(padding) for width in pair]


def _convolution(layer: Convolution) -> Call:
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


def _transposed(layer: TransposedConvolution) -> Call:
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
    fits = all(size >= taps for size, taps in zip(_sizes(layer.x.shape[2:]), layer.kernel, strict=True))
    return within_half(layer.padding, layer.kernel) if fits else None


def _max_pool(layer: MaxPool) -> Call:
    run = partial(
        _POOLS["max"][len(layer.kernel)], kernel_size=layer.kernel, stride=layer.strides, dilation=layer.dilations
    )
    padding = within_half(layer.padding, layer.kernel)
    if padding is not None:
        return Call(partial(run, padding=padding), (layer.x,))
    return Call(partial(_padded, _around(layer.padding), -math.inf, run), (layer.x,))


def _average_pool(layer: AveragePool) -> Call:
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


# ------------------------------------------------------------------- activations
_ACTIVATIONS: Mapping[str, Callable[..., Value]] = {
    "relu": torch.relu, "leaky_relu": functional.leaky_relu, "elu": functional.elu, "selu": functional.selu,
    "celu": functional.celu, "gelu": functional.gelu, "gelu_tanh": partial(functional.gelu, approximate="tanh"),
    "silu": functional.silu, "mish": functional.mish, "softplus": functional.softplus, "softsign": functional.softsign,
    "sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu6": functional.relu6, "hardtanh": functional.hardtanh,
    "hardsigmoid": functional.hardsigmoid, "hardswish": functional.hardswish,
}  # fmt: skip
_SETTINGS: Mapping[str, tuple[str, ...]] = {"leaky_relu": ("negative_slope",), "elu": ("alpha",), "celu": ("alpha",)}


# ------------------------------------------------------------------- norms
def _batch_norm(layer: BatchNorm) -> Call:
    momentum = 0.0 if layer.momentum is None else layer.momentum
    run = partial(_batch_norm_call, momentum, layer.epsilon, layer.momentum is not None)
    return Call(run, (layer.x, layer.mean, layer.variance, layer.scale, layer.shift), asks_mode=True)


def _batch_norm_call(
    momentum: float,
    epsilon: float,
    learns: bool,
    training: bool,
    x: Value,
    mean: Value,
    variance: Value,
    scale: Value,
    shift: Value,
) -> Value:
    if training and learns and x.numel() == x.shape[1]:
        return _single_value_norm(momentum, epsilon, x, mean, variance, scale, shift)
    return functional.batch_norm(x, mean, variance, scale, shift, training and learns, momentum, epsilon)


def _single_value_norm(
    momentum: float, epsilon: float, x: Value, mean: Value, variance: Value, scale: Value, shift: Value
) -> Value:
    """Training on one value for each channel, which PyTorch refuses: its variance is zero."""
    with torch.no_grad():
        mean.lerp_(x.detach().reshape(-1), momentum)
        variance.mul_(1 - momentum)
    around = (-1, *(1,) * (x.dim() - 2))
    centred = x - x.mean(dim=[0, *range(2, x.dim())], keepdim=True)
    return centred / math.sqrt(epsilon) * scale.reshape(around) + shift.reshape(around)


def _rms_norm(shape: tuple[int, ...], epsilon: float, x: Value, scale: Value) -> Value:
    return functional.rms_norm(x, shape, scale, epsilon)


def _layer_norm(shape: tuple[int, ...], epsilon: float, x: Value, scale: Value, shift: Value) -> Value:
    return functional.layer_norm(x, shape, scale, shift, epsilon)


def _group_norm(layer: GroupNorm) -> Call:
    operands = (layer.x, layer.scale, layer.shift)
    if layer.instance and math.prod(_sizes(layer.x.shape[2:])) > 1:
        return Call(partial(_instance_norm, layer.epsilon), operands)
    return Call(partial(_group_norm_call, layer.groups, layer.epsilon), operands)


def _instance_norm(epsilon: float, x: Value, scale: Value, shift: Value) -> Value:
    return functional.instance_norm(x, weight=scale, bias=shift, eps=epsilon)


def _group_norm_call(groups: int, epsilon: float, x: Value, scale: Value, shift: Value) -> Value:
    return functional.group_norm(x, groups, scale, shift, epsilon)


# ------------------------------------------------------------------- sequences
def _dropout(probability: float, training: bool, x: Value) -> Value:
    return functional.dropout(x, probability, training)


def _attention(layer: Attention) -> Call:
    shared = layer.query.shape[1] != layer.key.shape[1]
    run = partial(functional.scaled_dot_product_attention, scale=layer.scale, enable_gqa=shared)
    if layer.mask is None and layer.seen is not None and not layer.causal:
        return Call(partial(_masked, run), (layer.query, layer.key, layer.value), constants=(layer.seen,))
    if layer.mask is not None and layer.seen is not None:
        masked = (layer.query, layer.key, layer.value, layer.mask)
        return Call(partial(_doubly_masked, run), masked, constants=(layer.seen,))
    operands = (layer.query, layer.key, layer.value)
    if layer.mask is not None:
        return Call(partial(_masked, run), (*operands, layer.mask))
    return Call(partial(run, is_causal=layer.causal), operands)


def _masked(run: Callable[..., Value], query: Value, key: Value, value: Value, mask: Value) -> Value:
    return run(query, key, value, attn_mask=mask)


def _doubly_masked(
    run: Callable[..., Value], query: Value, key: Value, value: Value, mask: Value, seen: Value
) -> Value:
    if mask.dtype == torch.bool:
        return run(query, key, value, attn_mask=mask & seen)
    return run(query, key, value, attn_mask=torch.where(seen, mask, -math.inf))
