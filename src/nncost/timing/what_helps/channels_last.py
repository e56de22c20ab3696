"""Images with their channels last in memory, as oneDNN's convolutions compute them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.utils._pytree import tree_map

from nncost.frontends.model import Inputs
from nncost.timing.what_helps.trial import Attempt, Case, Variant

_IMAGE_AXES = 4
"""A batch of images: examples, channels, height and width."""


def channels_last(case: Case) -> Iterator[Attempt]:
    """The other order of memory, of a network with two-dimensional convolutions that does not have it yet."""
    convolutions = [layer for layer in case.subject.module.modules() if isinstance(layer, nn.Conv2d)]
    if not convolutions or all(_is_last(layer.weight) for layer in convolutions):
        return
    yield Attempt(
        "channels last in memory",
        "module.to(memory_format=torch.channels_last), and the images too",
        Variant(module=_module, given=_given),
    )


def _is_last(weight: torch.Tensor) -> bool:
    """Whether it is so already; sizes of 1 leave no difference."""
    return weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()


def _module(module: nn.Module) -> nn.Module:
    return module.to(memory_format=torch.channels_last)


def _given(given: Inputs) -> Inputs:
    def last(value: object) -> object:
        if isinstance(value, torch.Tensor) and not value.is_nested and value.dim() == _IMAGE_AXES:
            return value.contiguous(memory_format=torch.channels_last)
        return value

    return Inputs(tree_map(last, given.args), tree_map(last, dict(given.kwargs)))
