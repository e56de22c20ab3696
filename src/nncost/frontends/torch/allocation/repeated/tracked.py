"""What the blocks of a step need of its tracker, and the tensors that they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch

from nncost.frontends.torch.allocation.inplace_rules import Maker
from nncost.frontends.torch.allocation.repeated.passes import MadeTensor
from nncost.frontends.torch.allocation.storages import Storages, storage_of
from nncost.frontends.torch.step.fake_module import SwappedParameters
from nncost.frontends.torch.step.fake_tensors import FakeTensors

_ALIAS = torch.ops.aten.alias.default


class Tracked(Protocol):
    """The tracker of a step. ``segments`` tell from which event on which autograd node ran."""

    events: list[Any]
    storages: Storages
    makers: list[Maker]
    segments: list[tuple[int, int]]
    swapped: SwappedParameters

    def settled(self) -> bool:
        """Note what is still to be noted; whether all is."""

    def enter_node(self) -> None:
        """Note that events of another autograd node follow."""


class Workshop:
    """Makes the tensors of blocks that are repeated, with the numbers of their memory."""

    def __init__(self, fast: FakeTensors, storages: Storages) -> None:
        self._fast, self._storages = fast, storages

    def anchor(self) -> torch.Tensor:
        """A tensor that has a gradient, so that blocks without such an input have one too."""
        return self._fast.make((), (), torch.float32, requires_grad=True)

    def made(self, tensor: MadeTensor, numbers: Sequence[int]) -> torch.Tensor:
        """A tensor with memory of its own."""
        made = self._fast.make(*tensor.layout)
        self._storages.adopt(storage_of(made), numbers[tensor.code])
        return made

    def gradient(self, tensor: MadeTensor, numbers: Sequence[int]) -> torch.Tensor:
        """A gradient, which may be a view."""
        made = self.made(tensor, numbers)
        return _ALIAS(made) if tensor.is_view else made

    def unnoted(self, tensor: MadeTensor) -> torch.Tensor:
        """A tensor whose memory is no part of the step's."""
        made = self._fast.make(*tensor.layout)
        self._storages.outside(storage_of(made))
        return made
