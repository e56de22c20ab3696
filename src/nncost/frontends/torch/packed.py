"""Parameters that quantized layers keep packed, out of sight of ``named_parameters``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from nncost.ir.graph import Role


def packed_parameters(names: Mapping[nn.Module, str]) -> Iterator[tuple[str, torch.Tensor, Role]]:
    """The name, value and role of every packed weight and bias, as ``("encoder.fc.weight", tensor, "weight")``."""
    for layer, name in names.items():
        for leaf, value, role in _of_layer(layer):
            yield (f"{name}.{leaf}" if name else leaf), value, role


def _of_layer(layer: Any) -> Iterator[tuple[str, torch.Tensor, Role]]:
    if not type(layer).__module__.startswith("torch.ao.nn"):
        return
    if callable(getattr(layer, "get_weight", None)) and callable(getattr(layer, "get_bias", None)):
        for leaf, value in _opened(layer.get_weight()):
            yield leaf, value, "weight"
        for leaf, value in _opened(layer.get_bias()):
            yield leaf, value, "bias"
    elif callable(getattr(layer, "_weight_bias", None)) and callable(getattr(layer, "weight", None)):
        weight, bias = layer._weight_bias()
        yield "weight", weight, "weight"
        if bias is not None:
            yield "bias", bias, "bias"


def _opened(values: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """A table of tensors, or of the tables of the cells of a layer."""
    for name, value in values.items():
        if isinstance(value, torch.Tensor):
            yield name, value


def stored_shape(tensor: torch.Tensor) -> tuple[int, ...]:
    """The shape of the values a tensor holds: of a sparse one those that are stored."""
    if tensor.layout is torch.strided:
        return tuple(tensor.shape)
    return (
        (int(tensor._nnz()), *tensor.shape[tensor.dim() - tensor.dense_dim() :])
        if tensor.dense_dim()
        else (int(tensor._nnz()),)
    )
