"""Layers that are exactly one of PyTorch's own modules, such as ``nn.Linear``: what its users would write."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from nncost.backends.meaning.layers import (
    Activation,
    AveragePool,
    BatchNorm,
    Convolution,
    Dense,
    Dropout,
    Embedding,
    GroupNorm,
    LayerNorm,
    MaxPool,
    Meaning,
    Recurrent,
    Softmax,
    TransposedConvolution,
)
from nncost.backends.torch.windows import even, output_padding, own_padding, within_half
from nncost.ir.graph import Tensor

_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_MAX_POOLS = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
_AVERAGE_POOLS = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
_BATCH_NORMS = {0: nn.BatchNorm1d, 1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_RECURRENT = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
_ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU, "selu": nn.SELU, "celu": nn.CELU, "gelu": nn.GELU,
    "silu": nn.SiLU, "mish": nn.Mish, "softplus": nn.Softplus, "softsign": nn.Softsign, "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh, "relu6": nn.ReLU6, "hardtanh": nn.Hardtanh, "hardsigmoid": nn.Hardsigmoid, "hardswish": nn.Hardswish,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standard:
    """A module without its values, the tensors that are its parameters by name, and its operands."""

    module: nn.Module
    parameters: Mapping[str, Tensor]
    operands: tuple[Tensor, ...]


def standard_of(meaning: Meaning) -> Standard | None:
    """PyTorch's own module for a layer; None where it has none that takes and gives the same."""
    match meaning:
        case Dense(x, weight, bias):
            rows, columns = weight.shape
            return _made(nn.Linear(columns, rows, bias is not None, device="meta"), x, weight=weight, bias=bias)
        case Convolution():
            return _convolution(meaning)
        case TransposedConvolution():
            return _transposed(meaning)
        case MaxPool(x, kernel, strides, padding, dilations):
            widths = within_half(padding, kernel)
            return None if widths is None else _made(_MAX_POOLS[len(kernel)](kernel, strides, widths, dilations), x)
        case AveragePool():
            return _average_pool(meaning)
        case Softmax(x, axis, logarithm):
            return _made((nn.LogSoftmax if logarithm else nn.Softmax)(axis), x)
        case Activation(x, "gelu_tanh"):
            return _made(nn.GELU(approximate="tanh"), x)
        case Activation(x, name, settings):
            return _made(_ACTIVATIONS[name](*settings), x)
        case BatchNorm():
            return _batch_norm(meaning)
        case LayerNorm(x, scale, shift, axes, epsilon, centre):
            shape = tuple(x.shape[x.rank - axes :])
            if centre and scale is not None:
                norm = nn.LayerNorm(shape, epsilon, bias=shift is not None, device="meta")
                return _made(norm, x, weight=scale, bias=shift)
            if scale is not None:
                return _made(nn.RMSNorm(shape, epsilon, device="meta"), x, weight=scale)
            return None
        case GroupNorm(x, groups, scale, shift, epsilon, False) if scale is not None and shift is not None:
            return _made(nn.GroupNorm(groups, x.shape[1], epsilon, device="meta"), x, weight=scale, bias=shift)
        case Embedding(table, indices):
            return _made(nn.Embedding(*table.shape, device="meta"), indices, weight=table)
        case Dropout(x, probability):
            return _made(nn.Dropout(probability), x)
        case Recurrent():
            return _recurrent(meaning)
        case _:
            return None


def _made(module: nn.Module, *operands: Tensor, **parameters: Tensor | None) -> Standard:
    return Standard(module, {name: t for name, t in parameters.items() if t is not None}, operands)


def _convolution(layer: Convolution) -> Standard | None:
    padding = even(layer.padding)
    if padding is None:
        return None
    channels_out, _, *kernel = layer.weight.shape
    module = _CONVOLUTIONS[len(kernel)](
        layer.x.shape[1], channels_out, tuple(kernel), layer.strides, padding, layer.dilations, layer.groups,
        layer.bias is not None, device="meta",
    )  # fmt: skip
    return _made(module, layer.x, weight=layer.weight, bias=layer.bias)


def _transposed(layer: TransposedConvolution) -> Standard | None:
    found = output_padding(layer)
    if found is None:
        return None
    channels_in, group_out, *kernel = layer.weight.shape
    module = _TRANSPOSED[len(kernel)](
        channels_in, int(str(group_out)) * layer.groups, tuple(kernel), layer.strides, *found, layer.groups,
        layer.bias is not None, layer.dilations, device="meta",
    )  # fmt: skip
    return _made(module, layer.x, weight=layer.weight, bias=layer.bias)


def _average_pool(layer: AveragePool) -> Standard | None:
    padding = own_padding(layer)
    if padding is None or not isinstance(layer.divisor, float) or layer.divisor != math.prod(layer.kernel):
        return None
    return _made(_AVERAGE_POOLS[len(layer.kernel)](layer.kernel, layer.strides, padding), layer.x)


def _batch_norm(layer: BatchNorm) -> Standard | None:
    if layer.momentum is not None and layer.x.rank == 2:
        return None
    momentum = 0.1 if layer.momentum is None else layer.momentum
    module = _BATCH_NORMS[layer.x.rank - 2](layer.x.shape[1], layer.epsilon, momentum, device="meta")
    del module.num_batches_tracked
    module.register_buffer("num_batches_tracked", None)
    return _made(
        module, layer.x, weight=layer.scale, bias=layer.shift, running_mean=layer.mean, running_var=layer.variance
    )


def _recurrent(layer: Recurrent) -> Standard | None:
    """With both biases or none; a single one has no module of its own."""
    forward, *backward = sorted(layer.directions, key=lambda direction: direction.reverse)
    if forward.reverse or len(backward) > 1 or (backward and not backward[0].reverse):
        return None
    if any((d.input_bias is None) != (d.hidden_bias is None) for d in layer.directions):
        return None
    has_bias, two = forward.input_bias is not None, bool(backward)
    module = _RECURRENT[layer.kind](
        layer.x.shape[-1], layer.hidden, bias=has_bias, batch_first=True, bidirectional=two, device="meta"
    )
    parameters: dict[str, Tensor | None] = {}
    for suffix, direction in zip(("", "_reverse"), (forward, *backward), strict=False):
        parameters |= {
            f"weight_ih_l0{suffix}": direction.input, f"weight_hh_l0{suffix}": direction.hidden,
            f"bias_ih_l0{suffix}": direction.input_bias, f"bias_hh_l0{suffix}": direction.hidden_bias,
        }  # fmt: skip
    return _made(module, layer.x, **parameters)
