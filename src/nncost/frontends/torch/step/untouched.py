"""The parameters and buffers of layers whose block is to be repeated: nobody may look at them before it runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from nncost.frontends.torch.step.signals import NotEqual

_TENSORS = ("_parameters", "_buffers")


class Untouched(dict[str, Any]):
    """A layer's tensors. Raise NotEqual, so that the block runs in full, as soon as one is asked for or changed."""

    __slots__ = ("block", "own")

    def __init__(self, own: dict[str, Any], block: nn.Module) -> None:
        super().__init__(own)
        self.own, self.block = own, block

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise NotEqual(self.block)

    __getitem__ = __setitem__ = __delitem__ = __iter__ = __reversed__ = __reduce_ex__ = __or__ = __ior__ = _refuse
    get = items = values = keys = pop = popitem = setdefault = update = clear = copy = _refuse


def guard_tensors(layer: nn.Module, block: nn.Module) -> None:
    """Have nobody look at the tensors that a layer of a block holds itself."""
    for name in _TENSORS:
        own = vars(layer).get(name)
        if type(own) is dict and own:
            vars(layer)[name] = Untouched(own, block)


def release_tensors(layer: nn.Module) -> None:
    """Give a layer its tensors back."""
    for name in _TENSORS:
        held = vars(layer).get(name)
        if type(held) is Untouched:
            vars(layer)[name] = held.own


def tensors_below(layer: nn.Module) -> Iterator[torch.Tensor]:
    """The parameters and buffers of a layer and those inside it, also where nobody else may look at them."""
    for part in layer.modules():
        for name in _TENSORS:
            held = vars(part)[name]
            for tensor in dict.values(held) if isinstance(held, dict) else held.values():
                if tensor is not None:
                    yield tensor
