"""Tensors of classes of their own: what a step uses in their place, by how the class works.

A class without operators of its own is a tensor with another name. One that wraps tensors (a quantized weight and its
scales) says how it is taken apart and put together; its fake tensor wraps fake ones, so that what the class runs inside
is counted. Any other class with operators of its own runs on a copy, with values.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from nncost.errors import SourceError

PLAIN = (torch.Tensor, nn.Parameter, nn.Buffer)
"""PyTorch's own classes."""
_UNNAMED = {*PLAIN, FakeTensor}
REBUILT = "_nncost_rebuilt"
"""The attribute of a wrapper that a step has put together of other tensors."""


def has_own_operators(kind: Any) -> bool:
    """Whether tensors of a class say themselves what operators do to them."""
    if kind is FakeTensor or not issubclass(kind, torch.Tensor):
        return False
    own: bool = kind.__torch_dispatch__ is not torch._C._disabled_torch_dispatch_impl
    return own


def is_named(kind: type) -> bool:
    """Whether a class has a say in functions of its tensors, and none in operators on them."""
    return kind not in _UNNAMED and issubclass(kind, torch.Tensor) and not has_own_operators(kind)


def is_wrapper(tensor: torch.Tensor) -> bool:
    """Whether a tensor's class says which tensors it wraps."""
    return has_own_operators(type(tensor)) and is_traceable_wrapper_subclass(tensor)


def rebuilt(tensor: Any, replace: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """A wrapper around what ``replace`` returns for each tensor inside. Raise SourceError where its class has no way."""
    names, context = tensor.__tensor_flatten__()
    held = {name: getattr(tensor, name) for name in names}  # some hold other objects too, as a mesh of devices
    inner = {name: replace(value) if isinstance(value, torch.Tensor) else value for name, value in held.items()}
    try:
        made = type(tensor).__tensor_unflatten__(inner, context, tensor.shape, tensor.stride())
    except Exception as error:
        raise _refused(tensor, f"cannot be put together again ({type(error).__name__}: {error})") from error
    if type(made) is not type(tensor) or made.shape != tensor.shape:
        raise _refused(tensor, "is put together as another tensor than it was")
    setattr(made, REBUILT, True)
    return made.requires_grad_(False)


def copied(tensor: torch.Tensor) -> torch.Tensor:
    """A copy of a tensor whose class only it knows. Raise SourceError if it cannot be copied."""
    if _has_memory(tensor):
        with torch._C._DisableTorchDispatch():
            made = torch.Tensor._make_subclass(type(tensor), tensor.detach().clone())
        vars(made).update(vars(tensor))
        return made
    try:
        made = copy.deepcopy(tensor) if tensor.is_leaf else tensor.detach().clone()
    except Exception as error:
        raise _refused(tensor, f"cannot be copied ({type(error).__name__}: {error})") from error
    if type(made) is not type(tensor) or made is tensor or made.shape != tensor.shape:
        raise _refused(tensor, "cannot be copied")
    return made.requires_grad_(False)


def _has_memory(tensor: torch.Tensor) -> bool:
    """Whether a tensor holds its values itself."""
    try:
        with torch._C._DisableTorchDispatch():
            return tensor.layout is torch.strided and tensor.untyped_storage().data_ptr() != 0
    except RuntimeError:  # a wrapper's storage has no address
        return False


def _refused(tensor: torch.Tensor, what: str) -> SourceError:
    name = type(tensor).__name__
    return SourceError(
        f"a tensor of class {name} {what}.",
        hint=f"Define {name}.__tensor_flatten__ and __tensor_unflatten__, as torch.compile asks for too, or count the module before its tensors become {name}.",
    )


def unseen_operator(kind: type, operator: Any) -> SourceError:
    """What to say of a class that computes where no mode sees it."""
    return SourceError(
        f"tensors of class {kind.__name__} compute {operator} out of sight of PyTorch's dispatch modes.",
        hint=f"{kind.__name__}.__torch_dispatch__ must call operators on tensors that are not of its class, not those of super().",
    )


def inner_tensors(tensor: Any) -> Iterator[torch.Tensor]:
    """The tensors that hold a tensor's values: those a wrapper wraps, in turn, or the tensor itself."""
    if not is_wrapper(tensor):
        yield tensor
        return
    for name in tensor.__tensor_flatten__()[0]:
        if isinstance(value := getattr(tensor, name), torch.Tensor):
            yield from inner_tensors(value)
