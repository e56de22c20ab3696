"""Layers as calls of ``torch.nn.functional``: the function, and the tensors of the graph it takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from nncost.backends.constants import Constants
from nncost.backends.operands import (
    attention_scale,
    causal_mask,
    has_standard_bias,
    integers,
    operands,
    own_settings,
    scale_and_shift,
)
from nncost.backends.torch import windows
from nncost.backends.torch.call import TorchCall
from nncost.backends.torch.recurrent import recurrent_call
from nncost.dims import Dim
from nncost.ir import layers
from nncost.ir.graph import Region

Value = Any


def call_of(region: Region, constants: Constants) -> TorchCall | None:
    """Return the call that computes a layer, or None if PyTorch has none for it or for its settings."""
    x = region.inputs[0] if region.inputs else None
    match region.layer:
        case layers.Dense():
            return TorchCall(functional.linear, operands(region, 3)) if has_standard_bias(region) else None
        case layers.Conv():
            return windows.convolution(region)
        case layers.ConvTranspose():
            return windows.transposed(region)
        case layers.Pool(function="max"):
            return windows.max_pool(region)
        case layers.Pool():
            return windows.average_pool(region)
        case layers.GlobalPool() as layer:
            return windows.global_pool(layer, region)
        case layers.AdaptivePool() as layer:
            return windows.adaptive_pool(layer, region)
        case layers.Softmax(axis, logarithm):
            return TorchCall(partial(functional.log_softmax if logarithm else functional.softmax, dim=axis), (x,))
        case layers.Activation() as layer:
            return _activation(layer, region)
        case layers.BatchNorm() as layer:
            return _batch_norm(layer, region)
        case layers.LayerNorm() as layer:
            return _layer_norm(layer, region)
        case layers.RMSNorm() as layer:
            return _rms_norm(layer, region)
        case layers.GroupNorm() as layer:
            return _group_norm(layer, region)
        case layers.LocalResponseNorm(size, alpha, beta, bias):
            run = partial(functional.local_response_norm, size=size, alpha=alpha, beta=beta, k=bias)
            return TorchCall(run, (x,)) if size % 2 else None  # An even window stands one channel further in PyTorch.
        case layers.Embedding():
            table, indices = region.inputs
            return TorchCall(functional.embedding, (indices, table))
        case layers.Dropout(probability):
            return TorchCall(partial(_dropout, probability), (x,), asks_mode=True)
        case layers.Attention():
            return _attention(region)
        case layers.Recurrent():
            return recurrent_call(region, constants)
        case _:
            return None


# ------------------------------------------------------------------- activations
ACTIVATIONS: Mapping[str, tuple[Callable[..., Value], Callable[..., nn.Module]]] = {
    "relu": (torch.relu, nn.ReLU), "leaky_relu": (functional.leaky_relu, nn.LeakyReLU), "elu": (functional.elu, nn.ELU),
    "selu": (functional.selu, nn.SELU), "celu": (functional.celu, nn.CELU), "gelu": (functional.gelu, nn.GELU),
    "gelu_tanh": (partial(functional.gelu, approximate="tanh"), partial(nn.GELU, approximate="tanh")),
    "silu": (functional.silu, nn.SiLU), "mish": (functional.mish, nn.Mish), "relu6": (functional.relu6, nn.ReLU6),
    "softplus": (functional.softplus, nn.Softplus), "softsign": (functional.softsign, nn.Softsign),
    "sigmoid": (torch.sigmoid, nn.Sigmoid), "hardsigmoid": (functional.hardsigmoid, nn.Hardsigmoid),
    "tanh": (torch.tanh, nn.Tanh), "hardtanh": (functional.hardtanh, nn.Hardtanh),
    "hardswish": (functional.hardswish, nn.Hardswish),
}  # fmt: skip
"""The function and the module of each activation."""
_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "leaky_relu": ("negative_slope",), "elu": ("alpha",), "celu": ("alpha",), "hardtanh": ("min_val", "max_val"),
}  # fmt: skip


def torch_settings(layer: layers.Activation) -> Mapping[str, float] | None:
    """Return the settings as PyTorch's functions and modules name them, or None if they do not take them."""
    settings, names = own_settings(layer), _SETTINGS.get(layer.name, ())
    if layer.name not in ACTIVATIONS or len(settings) > len(names):
        return None
    return dict(zip(names, settings, strict=False))


def _activation(layer: layers.Activation, region: Region) -> TorchCall | None:
    settings = torch_settings(layer)
    return None if settings is None else TorchCall(partial(ACTIVATIONS[layer.name][0], **settings), region.inputs)


# ------------------------------------------------------------------- norms
def _batch_norm(layer: layers.BatchNorm, region: Region) -> TorchCall:
    x, scale, shift, mean, variance = region.inputs
    return TorchCall(partial(_batch_norm_call, layer), (x, mean, variance, scale, shift), asks_mode=True)


def _batch_norm_call(
    layer: layers.BatchNorm, training: bool, x: Value, mean: Value, variance: Value, scale: Value, shift: Value
) -> Value:
    momentum, epsilon = layer.momentum, layer.epsilon
    if momentum is None:
        return functional.batch_norm(x, mean, variance, scale, shift, False, 0.0, epsilon)
    if training and x.numel() == x.shape[1]:
        return _single_value_norm(momentum, epsilon, x, mean, variance, scale, shift)
    return functional.batch_norm(x, mean, variance, scale, shift, training, momentum, epsilon)


def _single_value_norm(
    momentum: float, epsilon: float, x: Value, mean: Value, variance: Value, scale: Value, shift: Value
) -> Value:
    """Training on one value per channel, which PyTorch refuses: its variance is zero."""
    with torch.no_grad():
        mean.lerp_(x.detach().reshape(-1), momentum)
        variance.mul_(1 - momentum)
    around = (-1, *(1,) * (x.dim() - 2))
    centred = x - x.mean(dim=[0, *range(2, x.dim())], keepdim=True)
    return centred / math.sqrt(epsilon) * scale.reshape(around) + shift.reshape(around)


def _layer_norm(layer: layers.LayerNorm, region: Region) -> TorchCall | None:
    x, *given = region.inputs
    shape = x.shape[x.rank - layer.axes :]
    if any(tensor.shape != shape for tensor in given):
        return None
    scale, shift = scale_and_shift(region, scale=layer.scale, shift=layer.shift)
    return TorchCall(partial(_layer_norm_call, integers(shape), layer.epsilon), (x, scale, shift))


def _layer_norm_call(shape: tuple[int, ...], epsilon: float, x: Value, scale: Value, shift: Value) -> Value:
    return functional.layer_norm(x, shape, scale, shift, epsilon)


def _rms_norm(layer: layers.RMSNorm, region: Region) -> TorchCall | None:
    x, scale = operands(region, 2)
    assert x is not None
    shape = x.shape[-1:]
    if scale is not None and scale.shape != shape:
        return None
    return TorchCall(partial(_rms_norm_call, integers(shape), layer.epsilon), (x, scale))


def _rms_norm_call(shape: tuple[int, ...], epsilon: float, x: Value, scale: Value) -> Value:
    return functional.rms_norm(x, shape, scale, epsilon)


def _group_norm(layer: layers.GroupNorm, region: Region) -> TorchCall:
    x = region.inputs[0]
    given = (x, *scale_and_shift(region, scale=layer.scale, shift=layer.shift))
    if layer.instance and math.prod(integers(x.shape[2:])) > 1:  # PyTorch refuses a single value.
        return TorchCall(partial(_instance_norm, layer.epsilon), given)
    return TorchCall(partial(_group_norm_call, layer.groups, layer.epsilon), given)


def _instance_norm(epsilon: float, x: Value, scale: Value, shift: Value) -> Value:
    return functional.instance_norm(x, weight=scale, bias=shift, eps=epsilon)


def _group_norm_call(groups: Dim, epsilon: float, x: Value, scale: Value, shift: Value) -> Value:
    return functional.group_norm(x, groups, scale, shift, epsilon)


# ------------------------------------------------------------------- sequences
def _dropout(probability: float, training: bool, x: Value) -> Value:
    return functional.dropout(x, probability, training)


def _attention(region: Region) -> TorchCall:
    query, key, _, *mask = region.inputs
    layer, seen = region.settings(layers.Attention), causal_mask(region)
    shared = query.shape[1] != key.shape[1]
    run = partial(functional.scaled_dot_product_attention, scale=attention_scale(region), enable_gqa=shared)
    if mask and seen is not None:
        return TorchCall(partial(_doubly_masked, run), region.inputs, constants=(seen,))
    if mask:
        return TorchCall(run, region.inputs)
    if layer.causal and not layer.from_start and query.shape[2] != key.shape[2]:  # PyTorch aligns the first ones.
        return TorchCall(run, region.inputs, constants=(seen,))
    return TorchCall(partial(run, is_causal=layer.causal), region.inputs)


def _doubly_masked(
    run: Callable[..., Value], query: Value, key: Value, value: Value, mask: Value, seen: Value
) -> Value:
    if mask.dtype == torch.bool:
        return run(query, key, value, attn_mask=mask & seen)
    return run(query, key, value, attn_mask=torch.where(seen, mask, -math.inf))
