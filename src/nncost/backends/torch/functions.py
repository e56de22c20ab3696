"""Layers as calls of ``torch.nn.functional``: the function, and the tensors of the graph it takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, assert_never

import torch
from torch.nn import functional

from nncost.backends.meaning.layers import (
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
)
from nncost.backends.torch import windows
from nncost.backends.torch.call import Call, sizes_of
from nncost.backends.torch.recurrent import recurrent_call

Value = Any


def call_of(meaning: Meaning) -> Call | None:
    """The call that computes a layer; None where PyTorch has none for its settings."""
    match meaning:
        case Dense(x, weight, bias):
            return Call(functional.linear, (x, weight, bias))
        case Convolution():
            return windows.convolution(meaning)
        case TransposedConvolution():
            return windows.transposed(meaning)
        case MaxPool():
            return windows.max_pool(meaning)
        case AveragePool():
            return windows.average_pool(meaning)
        case GlobalPool():
            return windows.global_pool(meaning)
        case AdaptivePool():
            return windows.adaptive_pool(meaning)
        case Softmax(x, axis, logarithm):
            return Call(partial(functional.log_softmax if logarithm else functional.softmax, dim=axis), (x,))
        case Activation(x, name, settings):
            return Call(partial(_ACTIVATIONS[name], **dict(zip(_SETTINGS.get(name, ()), settings, strict=False))), (x,))
        case BatchNorm():
            return _batch_norm(meaning)
        case LayerNorm(x, scale, shift, axes, epsilon, centre):
            if not centre:
                shape = sizes_of(x.shape[x.rank - axes :])
                return Call(partial(_rms_norm, shape, epsilon), (x, scale))
            return Call(partial(_layer_norm, sizes_of(x.shape[x.rank - axes :]), epsilon), (x, scale, shift))
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
    if layer.instance and math.prod(sizes_of(layer.x.shape[2:])) > 1:
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
