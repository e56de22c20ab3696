"""Values and modules of PyTorch as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from nncost.frontends.torch.step.fake_module import layer_names
from nncost.ir.call_log import Layer, Plain, TensorMeta


def plain(value: Any) -> Plain:
    """Numbers, texts and None as they are, tensors as TensorMeta, structures of them; else the name of the class."""
    if isinstance(value, torch.Tensor):
        return TensorMeta(tuple(map(int, value.shape)), str(value.dtype).removeprefix("torch."))
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(plain(item) for item in value)
    if isinstance(value, torch.SymInt):
        return int(value)
    return type(value).__name__


def modules_of(module: nn.Module) -> dict[nn.Module, str]:
    """The first name of every module, without the wrappers that ``torch.compile`` adds."""
    return {layer: name for layer, name in layer_names(module).items() if type(layer).__name__ != "OptimizedModule"}


def layers_of(module: nn.Module) -> dict[str, Layer]:
    """Every module by its first name, the module itself under the empty one."""
    names = layer_names(module)
    return {name: _layer(layer, name, names) for layer, name in modules_of(module).items()}


def _layer(layer: nn.Module, name: str, names: Mapping[nn.Module, str]) -> Layer:
    kind = type(layer)
    options = {key: plain(value) for key, value in vars(layer).items() if key[0] != "_" and _is_plain(value)}
    parameters = {leaf: plain(parameter) for leaf, parameter in layer.named_parameters(recurse=False)}
    children = tuple(names[child] for child in layer.children())
    return Layer(name, f"{kind.__module__}.{kind.__qualname__}", children, parameters, options)


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str))
