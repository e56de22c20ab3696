"""Numbers that become tensors because autograd saves them for the gradient of a product's or quotient's other operand.

It does so itself also where a checkpoint has hooks for what is saved: numbers are never handed to them.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch

from nncost.frontends.torch.allocation.inplace_rules import Maker
from nncost.frontends.torch.allocation.memory_call import CallEvent
from nncost.frontends.torch.allocation.storages import Storages, storage_of

_aten = torch.ops.aten
SAVING = {_aten.mul.Tensor, _aten.div.Tensor, _aten.mul_.Tensor, _aten.div_.Tensor}
"""Operators whose second operand autograd saves."""
_NUMBERS = {int, float, bool, complex}


class SavedScalars:
    """Notes in an operator's event the memory of a number that autograd saves when the operator has returned."""

    def __init__(self, storages: Storages, makers: list[Maker]) -> None:
        self._storages, self._makers = storages, makers
        self._waiting: list[tuple[Any, CallEvent]] = []

    def expect(self, call: CallEvent, args: Any, result: Any) -> None:
        """Autograd may save a number among the arguments of a call that has just run.

        A view that is written to is not asked: autograd would make its node anew, with operators that come here.
        """
        if type(args[1]) not in _NUMBERS or not isinstance(result, torch.Tensor) or result._is_view():
            return
        if torch.is_grad_enabled() and args[0].requires_grad:
            self._waiting.append((weakref.ref(result), call))

    def note(self) -> bool:
        """Note the numbers that have been saved since; whether autograd has come to all."""
        if not self._waiting:
            return True
        waiting = []
        entries, self._waiting = self._waiting, []
        for entry in entries:
            result = entry[0]()
            if result is None:
                continue
            if result.grad_fn is None:
                waiting.append(entry)  # autograd has not come to it yet
                continue
            saved: Any = getattr(result.grad_fn, "_saved_other", None)
            if type(saved) is torch.Tensor and saved.dim() == 0:
                storage = storage_of(saved)
                if self._storages.number(storage) is None:
                    entry[1].saved_scalar = self._storages.taken(storage)
                    self._makers.append(Maker())
        self._waiting = [*waiting, *self._waiting]
        return not self._waiting
