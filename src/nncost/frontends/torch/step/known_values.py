"""Values of fake tensors that are known while no number of the model's data is: constants, masks, buffers.

Models branch on them and ask for their size: ``if self.scale.item() > 1``, ``mask.all()``, ``x[mask]``. So where
all operands of an operator have known values, and are small, the operator also runs on these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map

from nncost.frontends.torch.step.dispatch_table import OperatorInfo, written_to
from nncost.frontends.torch.step.fake_tensors import is_fake, tensors_in
from nncost.frontends.torch.step.later_values import has_later, note_later, note_spoilt, worked_out
from nncost.frontends.torch.step.symbolic_sizes import Sizes

MOST_ELEMENTS = 1 << 16
"""Tensors of more elements have no known values."""
MOST_OF_PARAMETER = 16
"""Models branch on a parameter that is a number, not on weights."""
_VALUE = "_nncost_value"
_UNSET = {
    "aten::empty", "aten::empty_like", "aten::empty_strided", "aten::new_empty", "aten::new_empty_strided",
    "aten::_efficientzerotensor",
}  # fmt: skip
"""Operators whose results hold anything, or nothing."""


def set_value(fake: torch.Tensor, tensor: torch.Tensor) -> None:
    """Note the values of a real tensor that a fake one stands for, if there are few and it has any."""
    most = MOST_OF_PARAMETER if isinstance(tensor, torch.nn.Parameter) else MOST_ELEMENTS
    if tensor.numel() <= most and tensor.device.type == "cpu" and not is_freed(tensor):
        with torch._C._DisableTorchDispatch():
            fake._nncost_value = tensor.detach().clone()


def is_freed(tensor: torch.Tensor) -> bool:
    """Whether the memory that a tensor lay in has been given back, as FSDP does: reading it would end the process."""
    if tensor.layout is not torch.strided or not tensor.numel():
        return False
    last = tensor.storage_offset() + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
    return bool(tensor.untyped_storage().nbytes() < (last + 1) * tensor.element_size())


def value_of(tensor: torch.Tensor) -> torch.Tensor | None:
    """The values that a fake tensor has, if they are known."""
    value: torch.Tensor | None = getattr(tensor, _VALUE, None)
    return None if value is None or getattr(_memory(value), "_nncost_spoilt", False) else value


def _memory(value: torch.Tensor) -> Any:
    """What all views of a value have in common; a sparse tensor stands for itself."""
    return value.untyped_storage() if value.layout is torch.strided else value


def value_asked(tensor: torch.Tensor) -> torch.Tensor | None:
    """The values of a fake tensor that the model looks at, if they are known or can be worked out."""
    _count_read()
    found = value_of(tensor)
    return worked_out(tensor) if found is None else found


def reads() -> int:
    """How often a model has looked at values so far."""
    return _reads[0]


def _count_read() -> None:
    _reads[0] += 1


_reads = [0]


class KnownValues:
    """The known values of one run; ``sizes`` gives its symbols."""

    def __init__(self, sizes: Callable[[], Sizes | None] = lambda: None) -> None:
        self._sizes = sizes

    def of(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """A tensor's values; None if they are not known."""
        if is_fake(tensor):
            return value_of(tensor)
        return tensor.clone() if tensor.numel() <= MOST_ELEMENTS else None  # new, as what torch.tensor(2.0) lifts

    def computed(self, operator: Any, args: Any, kwargs: Any) -> Any:
        """The result of an operator on known values; NotImplemented if they are not known."""
        arguments = self._arguments(args, kwargs, asked=True)
        if arguments is None:
            return NotImplemented
        _count_read()
        return operator(*arguments[0], **arguments[1])

    def note(self, operator: Any, info: OperatorInfo, args: Any, kwargs: Any, result: Any) -> None:
        """Note the values of an operator's results, or that what it has written to is no longer known."""
        if info.written:
            self._note_written(operator, info, args, kwargs)
            return
        if _first_is_unknown(args) or info.random or operator.namespace != "aten":
            return
        if info.name in _UNSET:
            return
        arguments = self._arguments(args, kwargs) if _is_small(result) else None
        if arguments is None:
            note_later(operator, args, kwargs, result, self._sizes(), self.of)
            return
        try:
            found = operator(*arguments[0], **arguments[1])
        except (RuntimeError, NotImplementedError, TypeError, ValueError, IndexError):
            return
        for fake, value in zip(tree_leaves(result), tree_leaves(found), strict=False):
            if isinstance(fake, torch.Tensor) and isinstance(value, torch.Tensor) and fake.shape == value.shape:
                fake._nncost_value = value

    def _note_written(self, operator: Any, info: OperatorInfo, args: Any, kwargs: Any) -> None:
        targets = tensors_in(written_to(info, args, kwargs))
        for target in targets:
            note_spoilt(target)
        values = [value for target in targets if (value := getattr(target, _VALUE, None)) is not None]
        if not values:
            return
        arguments = None if info.random else self._arguments(args, kwargs)
        if arguments is not None:
            operator(*arguments[0], **arguments[1])
            return
        for value in values:
            _memory(value)._nncost_spoilt = True

    def _arguments(self, args: Any, kwargs: Any, *, asked: bool = False) -> tuple[Any, Any] | None:
        """Arguments with values in place of fake tensors, worked out if they are ``asked`` for; None if some are not known."""
        missing = False

        def known(value: Any) -> Any:
            nonlocal missing
            if not isinstance(value, torch.Tensor):
                missing = missing or isinstance(value, torch.SymInt)
                return value
            found = self.of(value)
            if found is None and asked:
                found = worked_out(value)
            missing = missing or found is None
            return found

        arguments = tree_map(known, (args, kwargs))
        return None if missing else arguments


def _first_is_unknown(args: Any) -> bool:
    """Whether the first tensor's values are not known, which tells the common case."""
    if not args or not isinstance(args[0], torch.Tensor):
        return False
    return not hasattr(args[0], _VALUE) and is_fake(args[0]) and not has_later(args[0])


def _is_small(result: Any) -> bool:
    tensors = tensors_in(result)
    sizes = [size for tensor in tensors for size in tensor.shape]
    return (
        bool(tensors)
        and all(isinstance(size, int) for size in sizes)
        and sum(tensor.numel() for tensor in tensors) <= MOST_ELEMENTS
    )
