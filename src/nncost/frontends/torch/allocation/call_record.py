"""Distinct calls of operators: what decides which memory a call takes, and how to make its results again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from nncost.dims import Dim


class Operand(NamedTuple):
    """A tensor among a call's arguments; ``same`` is the place of its first appearance."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    same: int


class Plain(NamedTuple):
    """A number whose type matters: 1, 1.0 and True are different arguments."""

    kind: type
    value: Any


@dataclass(eq=False, slots=True)
class Called:
    """A distinct call: an operator on arguments of these shapes, strides and types.

    ``outputs`` say how to make the results again (None: the operator must run), ``macs`` and ``bytes``
    what it takes to run it for real; ``sizes`` are those of the new memory its results take,
    ``places`` which of its ``results`` tensors that is the memory of. ``grads``: whether gradients were being
    recorded, which some kernels ask; ``symbolic``: sizes are symbols or operands sparse, so that nothing can be run;
    ``truth`` is how results lie in memory where that is not as ``outputs`` say.
    """

    operator: Any
    args: Any
    kwargs: Any
    outputs: Any = None
    sizes: tuple[Dim, ...] = ()
    places: tuple[int, ...] = ()
    results: int = 0
    macs: int = 0
    bytes: int = 0
    grads: bool = False
    symbolic: bool = False
    truth: Any = None


@dataclass(slots=True, eq=False)
class Ran:
    """A call at its place; ``made`` are the numbers of the new memory its results take.

    ``kept`` is the memory of a number that the call has made a tensor and autograd keeps;
    a ``bare`` call is handed such a number as the tensor it is by now.
    Where ``first`` is given, the call would have written to that memory, its first operand's, if nothing
    else held it, by calling ``instead``.
    """

    called: Called
    made: tuple[int, ...]
    path: str
    phase: Any
    kept: int | None = None
    bare: bool = False
    first: int | None = None
    instead: Called | None = None


def results_in(result: Any) -> list[Any]:
    """The tensors of a call's result in their places; None where one is absent."""
    if isinstance(result, (list, tuple)):
        return [found for item in result for found in results_in(item)]
    return [result if isinstance(result, torch.Tensor) else None]


class Description:
    """The arguments of one call, described; ``tensors`` are those met on the way."""

    __slots__ = ("plain", "tensors")

    def __init__(self, *, symbolic: bool = False) -> None:
        self.tensors: list[torch.Tensor] = []
        self.plain = not symbolic

    def of(self, value: Any) -> Any:
        """An argument as part of what makes calls alike."""
        kind = type(value)
        if kind is int or value is None or kind is str:
            return value
        if isinstance(value, torch.Tensor):
            return self._operand(value)
        if isinstance(value, (list, tuple)):
            return tuple([self.of(item) for item in value])
        if kind is float or kind is bool or kind is complex:
            return Plain(kind, value)
        return value

    def _operand(self, tensor: torch.Tensor) -> Operand:
        tensors = self.tensors
        same = len(tensors)
        for place, other in enumerate(tensors):
            if other is tensor:
                same = place
                break
        tensors.append(tensor)
        if tensor.layout is not torch.strided:
            self.plain = False
            return Operand(tuple(tensor.shape), (), tensor.dtype, same)
        if getattr(tensor, "constant", None) is not None:
            self.plain = False
        return Operand(tensor.shape, tensor.stride(), tensor.dtype, same)
