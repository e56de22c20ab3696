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
_SAVERS = {"MulBackward0", "DivBackward0"}
_OF_VIEWS = "torch::autograd::CopySlices"
"""The node of what a view is of, once the view was written to. It holds the node of the operator, which nobody can ask."""
_NUMBERS = {int, float, bool, complex}


class SavedScalars:
    """Notes in an operator's event the memory of a number that autograd saves when the operator has returned."""

    def __init__(self, storages: Storages, makers: list[Maker]) -> None:
        self._storages, self._makers = storages, makers
        self._waiting: list[tuple[Any, CallEvent]] = []
        self._of_views: set[int] = set()

    def expect(self, call: CallEvent, args: Any, result: Any) -> None:
        """Autograd may save a number among the arguments of a call that has just run.

        A view that is written to is not asked itself: autograd would make its node anew, with operators that come here.
        """
        if type(args[1]) not in _NUMBERS or not isinstance(result, torch.Tensor):
            return
        written = result._base if result._is_view() and result is args[0] else result
        if written is not None and torch.is_grad_enabled() and args[0].requires_grad:
            self._waiting.append((weakref.ref(written), call))

    def is_known_to(self, node: Any) -> bool:
        """Whether a node that multiplies or divides by a number in a backward pass has that as a tensor already."""
        return node.name() in _SAVERS or node._sequence_nr() in self._of_views

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
            storage = self._of_view(result.grad_fn) if result.grad_fn.name() == _OF_VIEWS else _saved(result.grad_fn)
            if storage is not None and self._storages.number(storage) is None:
                entry[1].saved_scalar = self._storages.taken(storage)
                self._makers.append(Maker())
        self._waiting = [*waiting, *self._waiting]
        return not self._waiting

    def _of_view(self, node: Any) -> Any:
        """Memory that lives as long as the number that a view was multiplied by: until the node has run."""
        self._of_views.add(node._sequence_nr())
        held = [torch.UntypedStorage(torch.float64.itemsize, device="meta")]
        node.register_hook(lambda made, given: held.clear())
        return held[0]


def _saved(node: Any) -> Any:
    """The memory of the number that a node has saved; None if it has saved none."""
    saved: Any = getattr(node, "_saved_other", None)
    return storage_of(saved) if type(saved) is torch.Tensor and saved.dim() == 0 else None
