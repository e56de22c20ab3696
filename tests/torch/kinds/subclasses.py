"""Classes of tensors, by how they work."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map


class Packed(torch.Tensor):
    """An int8 weight and a scale for each row, as weight-only quantizers have."""

    @staticmethod
    def __new__(cls, q: Any, s: Any) -> Any:
        return torch.Tensor._make_wrapper_subclass(cls, q.shape, dtype=torch.float32)

    def __init__(self, q: Any, s: Any) -> None:
        self.q, self.s = q, s

    def __tensor_flatten__(self) -> Any:
        return ["q", "s"], None

    @staticmethod
    def __tensor_unflatten__(inner: Any, context: Any, size: Any, stride: Any) -> Packed:
        return Packed(inner["q"], inner["s"])

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.detach.default:
            return Packed(args[0].q, args[0].s)
        return func(*[a.q.float() * a.s if isinstance(a, Packed) else a for a in args], **(kwargs or {}))


class Wrapper(torch.Tensor):
    """A tensor around another, in and out; it does not say so."""

    @staticmethod
    def __new__(cls, inner: Any) -> Any:
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        def opened(value: Any) -> Any:
            return value.inner if isinstance(value, Wrapper) else value

        result = func(*tree_map(opened, args), **tree_map(opened, kwargs or {}))
        return tree_map(lambda value: cls(value) if isinstance(value, torch.Tensor) else value, result)


class Told(Wrapper):
    """A wrapper that says what it wraps."""

    def __tensor_flatten__(self) -> Any:
        return ["inner"], None

    @staticmethod
    def __tensor_unflatten__(inner: Any, context: Any, size: Any, stride: Any) -> Told:
        return Told(inner["inner"])


class Holding(torch.Tensor):
    """A tensor with values of its own that runs operators without its class."""

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C._DisableTorchDispatch():
            args = tree_map(lambda v: v.as_subclass(torch.Tensor) if type(v) is Holding else v, args)
        result = func(*args, **(kwargs or {}))
        return tree_map(lambda v: made(Holding, v) if isinstance(v, torch.Tensor) else v, result)


class Below(torch.Tensor):
    """A tensor that has super() run operators, which no mode sees."""

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return super().__torch_dispatch__(func, types, args, kwargs or {})


class Named(torch.Tensor):
    """A tensor with another name."""


class Doubling(torch.Tensor):
    """A tensor that doubles the results of dense layers."""

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = super().__torch_function__(function, types, args, kwargs or {})
        return result * 2 if function is nn.functional.linear else result


class Slotted(torch.Tensor):
    """A tensor with a slot, which no other tensor can become."""

    __slots__ = ("mark",)


def made(kind: Any, tensor: torch.Tensor) -> torch.Tensor:
    """A tensor as one of the class."""
    if issubclass(kind, Wrapper):
        return kind(tensor)  # type: ignore[no-any-return]
    result: torch.Tensor = torch.Tensor._make_subclass(kind, tensor)
    return result


def dense(weight: torch.Tensor, *, requires_grad: bool = True) -> nn.Linear:
    """A dense layer without bias whose weight that is."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight = nn.Parameter(weight, requires_grad=requires_grad)
    return layer
