"""When two layers are equal before they run: class, attributes, parameters, buffers and layers inside."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from operator import is_
from typing import Any

import torch
from torch import nn

from nncost.frontends.torch.step.fake_module import layer_names
from nncost.frontends.torch.step.packing import PACKED, packed_bits
from nncost.frontends.torch.step.subclasses import has_own_operators
from nncost.ir.trace import joined

_OWN = {
    "training", "_parameters", "_buffers", "_modules", "_non_persistent_buffers_set",
    "_is_full_backward_hook", "_forward_hooks_with_kwargs", "_forward_hooks_always_called",
    "_forward_pre_hooks_with_kwargs", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks", "_state_dict_hooks",
    "_state_dict_pre_hooks", "_compiled_call_impl",
}  # fmt: skip
"""Attributes of every module that do not change what it computes."""
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_PLAIN = {int, float, complex, str, bytes, bool, type(None), torch.dtype, torch.device, torch.Size}
_NUMBER_OF_BLOCK = re.compile(r"_?(layer|block|depth)?_?(idx|index|id|number|num)$")


class BlockKeys:
    """Keys of layers: equal numbers for equal layers, None if that cannot be told.

    ``is_trained(tensor, name)`` says whether a parameter is.
    """

    def __init__(self, module: nn.Module, is_trained: Callable[[torch.Tensor, str], bool]) -> None:
        self.keys: dict[nn.Module, int | None] = {}
        self._names = layer_names(module)
        self._is_trained = is_trained
        self._numbers: dict[Any, int] = {}
        self._like: dict[type, list[_Like]] = {}
        self._shared = _shared_tensors(module)
        self._key(module)

    def _key(self, layer: nn.Module) -> int | None:
        if layer in self.keys:
            return None  # used in two places: whoever holds it is not replaced
        self.keys[layer] = None
        inside = [(name, None if child is None else self._key(child)) for name, child in layer._modules.items()]
        if any(key is None and layer._modules[name] is not None for name, key in inside):
            return None
        own = self._attributes_key(layer)
        tensors = None if own is None else self._tensors_key(layer)
        if tensors is None:
            return None
        key = (type(layer), layer.training, own, tensors, tuple(inside))
        self.keys[layer] = number = self._numbers.setdefault(key, len(self._numbers))
        return number

    def _attributes_key(self, layer: nn.Module) -> Any:
        """A key of a layer's attributes; None if they cannot be told to be equal to another's."""
        known = self._like.setdefault(type(layer), [])
        for like in known:
            if like.has_same(layer):
                return like.key
        key = _attributes_key(layer)
        if key is not None and len(known) < _MOST_ALIKE:
            known.append(_Like(layer, key))
        return key

    def _tensors_key(self, layer: nn.Module) -> Any:
        found: list[Any] = []
        for tensors in (layer._parameters, layer._buffers):
            for name, tensor in tensors.items():
                if tensor is None:
                    found.append((name, None))
                    continue
                if id(tensor) in self._shared or tensor.layout is not torch.strided or has_own_operators(type(tensor)):
                    return None
                if (
                    tensor._backward_hooks
                    or getattr(tensor, "_post_accumulate_grad_hooks", None)
                    or vars(tensor).keys() - {PACKED}
                ):
                    return None
                trained = self._is_trained(tensor, joined(self._names[layer], name))
                found.append(
                    (name, (type(tensor), tensor.shape, tensor.stride(), tensor.dtype, packed_bits(tensor), trained))
                )
        return tuple(found)


_MOST_ALIKE = 8
"""Layers of one class, as its linear layers of other widths, to which another is compared."""


class _Like:
    """A layer whose attributes have a key: another of its class that holds the same objects has the same."""

    def __init__(self, layer: nn.Module, key: Any) -> None:
        self.key = key
        self._names = list(vars(layer))
        self._compared = [place for place, name in enumerate(self._names) if _decides(name, vars(layer)[name])]
        self._hooks = [place for place, name in enumerate(self._names) if name in _HOOKS]
        self._numbers = [place for place, name in enumerate(self._names) if _is_number(name, vars(layer)[name])]
        self._values = self._chosen(list(vars(layer).values()))

    def has_same(self, layer: nn.Module) -> bool:
        """Whether a layer has the very same attributes, and no hooks."""
        attributes = vars(layer)
        if list(attributes) != self._names:
            return False
        values = list(attributes.values())
        return (
            all(map(is_, self._chosen(values), self._values))
            and not any(values[place] for place in self._hooks)
            and all(type(values[place]) in _NUMBERS for place in self._numbers)
        )

    def _chosen(self, values: list[Any]) -> list[Any]:
        return [values[place] for place in self._compared]


def _decides(name: str, value: Any) -> bool:
    """Whether an attribute is part of a layer's key."""
    return not (name in _OWN or name in _HOOKS or _is_number(name, value))


def _is_number(name: str, value: Any) -> bool:
    """Whether an attribute says which block this is."""
    return name not in _OWN and type(value) in _NUMBERS and TracedInt.is_block_number(name)


def _attributes_key(layer: nn.Module) -> Any:
    if isinstance(layer, torch.jit.ScriptModule):
        return None
    found: list[Any] = []
    for name, value in vars(layer).items():
        if name in _OWN:
            continue
        if name == "forward":
            return None  # somebody has put another in its place
        if name in _HOOKS:
            if value:
                return None
            continue
        kind = type(value)
        if _is_number(name, value):
            continue
        key = (kind, value) if kind in _PLAIN else _value_key(value)
        if key is None:
            return None
        found.append((name, key))
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
    if isinstance(value, (torch.Tensor, nn.Module)) or isinstance(getattr(value, "__self__", None), nn.Module):
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


def objects_of(parts: Iterable[nn.Module]) -> list[Any]:
    """The objects among the attributes of layers that are equal by being the same one."""
    found: dict[int, Any] = {}
    for part in parts:
        for name, value in vars(part).items():
            if name not in _OWN and name != "forward" and type(value) not in _PLAIN and type(value) is not TracedInt:
                found[id(value)] = value
    return list(found.values())


class Held:
    """What the layers of a block hold, to see whether it has changed since."""

    def __init__(self, layer: nn.Module) -> None:
        self._dicts = [
            d for part in layer.modules() for d in (vars(part), part._parameters, part._buffers, part._modules)
        ]
        self._values = self._now()
        self._containers = [*self._dicts, *(v for v in self._values if isinstance(v, (dict, list, set)))]
        self._sizes = list(map(len, self._containers))

    def is_same(self) -> bool:
        """Whether each attribute is the same object, and each container as long as it was."""
        return list(map(len, self._containers)) == self._sizes and all(map(is_, self._now(), self._values))

    def _now(self) -> list[Any]:
        values: list[Any] = []
        for attributes in self._dicts:
            values += dict.values(attributes)
        return values


class TracedInt:
    """An integer that notes being used. Blocks that never use theirs are equal although the numbers differ."""

    __hash__: Any

    def __init__(self, value: int) -> None:
        vars(self).update(value=value, used=False)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """An integer, to who asks."""
        return int

    @staticmethod
    @cache
    def is_block_number(name: str) -> bool:
        """Whether an attribute of that name says which block this is."""
        return _NUMBER_OF_BLOCK.search(name) is not None and name != "num"


def trace_numbers(layer: nn.Module) -> None:
    """Replace the numbers that say which block this is by ones that note being used."""
    for part in layer.modules():
        attributes = vars(part)
        for name, value in attributes.items():
            if type(value) is int and TracedInt.is_block_number(name):
                attributes[name] = TracedInt(value)


def numbers_used(layer: nn.Module) -> bool:
    """Whether a block has used a number that says which block it is."""
    return any(
        isinstance(value, TracedInt) and vars(value)["used"]
        for part in layer.modules()
        for value in vars(part).values()
    )


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
