"""Exceptions that one part of a step raises for another: to run again in another way. Users never see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException

from nncost.errors import NncostError
from nncost.frontends.torch.step.threads import unseen, was_in_thread


class NotEqual(BaseException):
    """A block turned out not to be equal to others: the run starts again and analyses it in full.

    A model that catches what its layers raise does not catch this; where one does, ``raised`` tells.
    """

    raised: NotEqual | None = None

    def __init__(self, layer: nn.Module) -> None:
        super().__init__(type(layer).__name__)
        self.layer = layer
        NotEqual.raised = self


class ValuesAskedError(RuntimeError):
    """The model asks for values, as ``x.numpy()`` does, where there are only shapes."""


class OwnOperatorsError(ValuesAskedError):
    """A class with operators of its own, which does not say what it wraps, runs on values only."""

    def __init__(self, kind: type) -> None:
        super().__init__(f"{kind.__name__}.__torch_dispatch__")
        self.kind = kind.__name__


class StoredAskedError(ValuesAskedError):
    """How many values a sparse tensor stores depends on values that are not known."""


NEEDS_VALUES = (ValuesAskedError, DataDependentOutputException, DynamicOutputShapeException)
"""What a run on fake tensors raises where values decide how it goes on."""
_WITHOUT_VALUES = (
    "Cannot access data pointer of Tensor",
    "tolist() shouldn't be called on a tensor with unallocated storage",
    "called with NO overloaded args",
)
"""What PyTorch says where a function outside its dispatcher reads a tensor that has no values."""


class Branched(Exception):  # noqa: N818 - a signal, not an error
    """The model branches on a symbol: the conditions it asked for, and numbers to count at instead."""

    def __init__(self, conditions: list[str], numbers: dict[str, int]) -> None:
        super().__init__(", ".join(conditions))
        self.conditions, self.numbers = conditions, numbers


class ReentrantError(RuntimeError):
    """A checkpoint with ``use_reentrant=True``, or another library's, only works when gradients are left in the parameters."""


NEEDS_BACKWARD = "compatible with .grad()"
"""What such checkpoints say."""


def _reads_nothing(error: Exception) -> bool:
    return type(error) is RuntimeError and any(text in str(error) for text in _WITHOUT_VALUES)


@contextmanager
def values_asked_for(refused: Callable[[], Any]) -> Iterator[None]:
    """Raise ValuesAskedError for whatever comes of a tensor being read of which there is only the shape.

    ``refused`` returns the operator that asked for values, if one has: between it and here, the model or a library may
    have made another exception of the refusal.
    """
    try:
        yield
    except (*NEEDS_VALUES, NncostError, NotEqual, Branched):
        raise
    except Exception as error:
        operator = refused()
        if operator is None and not _reads_nothing(error):
            raise
        if operator is None and was_in_thread(error):
            raise unseen() from error
        raise ValuesAskedError(str(operator or str(error).splitlines()[0])) from error
