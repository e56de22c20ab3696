"""Layers that are exactly one of PyTorch's own modules, such as ``nn.Linear``: what its users would write."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import nn

from nncost.backends.constants import Constants
from nncost.backends.operands import divisor, has_standard_bias, integers, recurrent_weights
from nncost.backends.torch.functions import ACTIVATIONS, torch_settings
from nncost.backends.torch.windows import even, output_padding, pool_padding
from nncost.dims import Shape
from nncost.ir import layers
from nncost.ir.graph import Region, Tensor
from nncost.records import record

_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_MAX_POOLS = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
_AVERAGE_POOLS = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
_BATCH_NORMS = {0: nn.BatchNorm1d, 1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_RECURRENT = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


@record
class Standard:
    """A module without its values, the tensors that are its parameters by name, and its operands."""

    module: nn.Module
    parameters: Mapping[str, Tensor]
    operands: tuple[Tensor, ...]


def standard_of(region: Region, constants: Constants) -> Standard | None:
    """Return PyTorch's own module for a layer, or None if it has none that takes and gives the same."""
    if not region.inputs:
        return None
    x, *given = region.inputs
    match region.layer:
        case layers.Dense() if has_standard_bias(region):
            rows, columns = given[0].shape
            return _weighted(nn.Linear(columns, rows, len(given) > 1, device="meta"), region)
        case layers.Conv() as layer:
            return _convolution(layer, region)
        case layers.ConvTranspose() as layer:
            return _transposed(layer, region)
        case layers.Pool() as layer:
            return _pool(layer, region)
        case layers.Softmax(axis, logarithm):
            return _made((nn.LogSoftmax if logarithm else nn.Softmax)(axis), x)
        case layers.Activation() as layer:
            return _activation(layer, x)
        case layers.BatchNorm() as layer:
            return _batch_norm(layer, region)
        case layers.LayerNorm(axes, epsilon, True, shift):
            shape = x.shape[x.rank - axes :]
            return _norm(nn.LayerNorm(integers(shape), epsilon, bias=shift, device="meta"), region, shape)
        case layers.RMSNorm(epsilon, True):
            return _norm(nn.RMSNorm(integers(x.shape[-1:]), epsilon, device="meta"), region, x.shape[-1:])
        case layers.GroupNorm(groups, epsilon, True, True, False):
            return _norm(nn.GroupNorm(groups, x.shape[1], epsilon, device="meta"), region, x.shape[1:2])
        case layers.Embedding():
            table, indices = region.inputs
            return _made(nn.Embedding(*table.shape, device="meta"), indices, weight=table)
        case layers.Dropout(probability):
            return _made(nn.Dropout(probability), x)
        case layers.Recurrent() as layer:
            return _recurrent(layer, region, constants)
        case _:
            return None


def _made(module: nn.Module, *operands: Tensor, **parameters: Tensor | None) -> Standard:
    return Standard(module, {name: t for name, t in parameters.items() if t is not None}, operands)


def _weighted(module: nn.Module, region: Region) -> Standard:
    """A module of x whose parameters are the other inputs: the weight, then the bias."""
    x, *given = region.inputs
    return Standard(module, dict(zip(("weight", "bias"), given, strict=False)), (x,))


def _norm(module: nn.Module, region: Region, shape: Shape) -> Standard | None:
    """A norm whose scale and shift have the shape it takes."""
    return _weighted(module, region) if all(tensor.shape == shape for tensor in region.inputs[1:]) else None


def _activation(layer: layers.Activation, x: Tensor) -> Standard | None:
    settings = torch_settings(layer)
    return None if settings is None else _made(ACTIVATIONS[layer.name][1](**settings), x)


def _convolution(layer: layers.Conv, region: Region) -> Standard | None:
    padding = even(layer.padding)
    if padding is None:
        return None
    x, weight, *bias = region.inputs
    channels_out, _, *kernel = weight.shape
    module = _CONVOLUTIONS[len(kernel)](
        x.shape[1], channels_out, tuple(kernel), layer.strides, padding, layer.dilations, layer.groups, bool(bias),
        device="meta",
    )  # fmt: skip
    return _weighted(module, region)


def _transposed(layer: layers.ConvTranspose, region: Region) -> Standard | None:
    found = output_padding(layer)
    if found is None:
        return None
    _, weight, *bias = region.inputs
    channels_in, _, *kernel = weight.shape
    module = _TRANSPOSED[len(kernel)](
        channels_in, region.outputs[0].shape[1], tuple(kernel), layer.strides, *found, layer.groups, bool(bias),
        layer.dilations, device="meta",
    )  # fmt: skip
    return _weighted(module, region)


def _pool(layer: layers.Pool, region: Region) -> Standard | None:
    padding, (x,) = pool_padding(region), region.inputs
    if padding is None:
        return None
    if layer.function == "max":
        return _made(_MAX_POOLS[len(layer.kernel)](layer.kernel, layer.strides, padding, layer.dilations), x)
    if not layer.count_padding or divisor(region) != math.prod(integers(layer.kernel)):
        return None
    return _made(_AVERAGE_POOLS[len(layer.kernel)](layer.kernel, layer.strides, padding), x)


def _batch_norm(layer: layers.BatchNorm, region: Region) -> Standard | None:
    x, scale, shift, mean, variance = region.inputs
    if layer.momentum is not None and x.rank == 2:
        return None
    momentum = 0.1 if layer.momentum is None else layer.momentum
    module = _BATCH_NORMS[x.rank - 2](x.shape[1], layer.epsilon, momentum, device="meta")
    del module.num_batches_tracked
    module.register_buffer("num_batches_tracked", None)
    return _made(module, x, weight=scale, bias=shift, running_mean=mean, running_var=variance)


def _recurrent(layer: layers.Recurrent, region: Region, constants: Constants) -> Standard | None:
    """With both biases or none; a single one has no module of its own."""
    directions = recurrent_weights(region, constants)
    if directions is None or layer.reverse not in ((False,), (False, True)) or layer.biases == 1:
        return None
    module = _RECURRENT[layer.cell](
        region.inputs[0].shape[-1], layer.hidden, bias=bool(layer.biases), batch_first=True,
        bidirectional=len(directions) == 2, device="meta",
    )  # fmt: skip
    parameters: dict[str, Tensor | None] = {}
    for suffix, direction in zip(("", "_reverse"), directions, strict=False):
        parameters |= {
            f"weight_ih_l0{suffix}": direction.input, f"weight_hh_l0{suffix}": direction.hidden,
            f"bias_ih_l0{suffix}": direction.input_bias, f"bias_hh_l0{suffix}": direction.hidden_bias,
        }  # fmt: skip
    return _made(module, region.inputs[0], **parameters)
