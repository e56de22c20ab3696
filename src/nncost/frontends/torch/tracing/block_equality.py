"""When two layers are equal before they run: class, attributes, parameters, buffers and layers inside."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn

from nncost.frontends.torch.step.fake_module import layer_names

_OWN = {
    "training", "_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "forward",
    "_is_full_backward_hook", "_forward_hooks_with_kwargs", "_forward_hooks_always_called",
    "_forward_pre_hooks_with_kwargs", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks", "_state_dict_hooks",
    "_state_dict_pre_hooks", "_compiled_call_impl",
}  # fmt: skip
"""Attributes of every module that do not change what it computes."""
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_PLAIN = {int, float, complex, str, bytes, bool, type(None), torch.dtype, torch.device, torch.Size}
_NUMBER_OF_BLOCK = re.compile(r"_?(layer|block|depth)?_?(idx|index|id|number|num)$")


class BlockKeys:
    """Keys of layers: equal numbers for equal layers, None if that cannot be told."""

    def __init__(self, module: nn.Module) -> None:
        self.keys: dict[nn.Module, int | None] = {}
        self._numbers: dict[Any, int] = {}
        self._shared = _shared_tensors(module)
        self._key(module)

    def _key(self, layer: nn.Module) -> int | None:
        if layer in self.keys:
            return None  # used in two places: whoever holds it is not replaced
        self.keys[layer] = None
        inside = [(name, None if child is None else self._key(child)) for name, child in layer._modules.items()]
        if any(key is None and layer._modules[name] is not None for name, key in inside):
            return None
        own = self._own_key(layer)
        if own is None:
            return None
        key = (type(layer), layer.training, own, tuple(inside))
        self.keys[layer] = number = self._numbers.setdefault(key, len(self._numbers))
        return number

    def _own_key(self, layer: nn.Module) -> Any:
        if isinstance(layer, torch.jit.ScriptModule):
            return None
        found: list[Any] = []
        for name, value in vars(layer).items():
            if name in _OWN:
                continue
            if name in _HOOKS:
                if value:
                    return None
                continue
            kind = type(value)
            if kind in _NUMBERS and TracedInt.is_block_number(name):
                continue
            key = (kind, value) if kind in _PLAIN else _value_key(value)
            if key is None:
                return None
            found.append((name, key))
        for tensors in (layer._parameters, layer._buffers):
            for name, tensor in tensors.items():
                if tensor is None:
                    found.append((name, None))
                    continue
                if id(tensor) in self._shared or tensor.layout is not torch.strided:
                    return None
                found.append((name, (tensor.shape, tensor.stride(), tensor.dtype, tensor.requires_grad)))
        return tuple(found)


def _value_key(value: Any) -> Any:
    """A plain value by what it is; any other object by its identity, so that only a shared one is equal."""
    if type(value) in _PLAIN:
        return type(value), value
    if isinstance(value, (list, tuple)):
        keys = tuple(_value_key(item) for item in value)
        return None if None in keys else (type(value), keys)
    if isinstance(value, dict):
        pairs = tuple((name, _value_key(item)) for name, item in value.items())
        return None if any(key is None for _, key in pairs) else (type(value), pairs)
    if isinstance(value, (torch.Tensor, nn.Module)):
        return None
    return type(value), id(value)


def _shared_tensors(module: nn.Module) -> set[int]:
    """The identities of parameters and buffers that several layers hold."""
    seen: set[int] = set()
    shared: set[int] = set()
    for layer in layer_names(module):
        for tensors in (layer._parameters, layer._buffers):
            for tensor in tensors.values():
                if tensor is not None:
                    (shared if id(tensor) in seen else seen).add(id(tensor))
    return shared


class TracedInt:
    """An integer that notes being used. Blocks that never use theirs are equal although the numbers differ."""

    __hash__: Any

    def __init__(self, value: int) -> None:
        vars(self).update(value=value, used=False)

    @staticmethod
    @cache
    def is_block_number(name: str) -> bool:
        """Whether an attribute of that name says which block this is."""
        return _NUMBER_OF_BLOCK.search(name) is not None and name != "num"


def _traced(operation: str) -> Callable[..., Any]:
    def method(self: TracedInt, *others: Any) -> Any:
        vars(self)["used"] = True
        value = vars(self)["value"]
        return getattr(value, operation)(*(vars(o)["value"] if isinstance(o, TracedInt) else o for o in others))

    return method


for _operation in (
    "index", "int", "float", "bool", "hash", "eq", "ne", "lt", "le", "gt", "ge", "add", "radd", "sub", "rsub", "mul",
    "rmul", "truediv", "rtruediv", "floordiv", "rfloordiv", "mod", "rmod", "pow", "rpow", "neg", "str", "repr", "format",
    "and", "or", "xor", "lshift", "rshift", "divmod",
):  # fmt: skip
    setattr(TracedInt, f"__{_operation}__", _traced(f"__{_operation}__"))


_NUMBERS = {int, TracedInt}
