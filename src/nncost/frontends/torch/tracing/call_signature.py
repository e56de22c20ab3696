"""Signatures: what makes two calls of an operator alike."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch._subclasses.fake_tensor import FakeTensor

from nncost.frontends.torch.step.dispatch_table import OperatorInfo
from nncost.frontends.torch.step.symbolic_sizes import Sizes, plain
from nncost.frontends.torch.tracing.provenance import CONSTANT, OF_MODULE, Provenance, stored_values


class Operand(NamedTuple):
    """A tensor in a signature. ``same`` is the place of its first appearance, so that aliases are seen.

    ``stored`` is how many values a sparse tensor holds.
    """

    shape: tuple[Any, ...]
    stride: tuple[Any, ...]
    dtype: torch.dtype
    constant: bool
    learned: bool
    same: int
    stored: int | None = None


class Literal(NamedTuple):
    """A number whose type matters: 1, 1.0 and True are different arguments."""

    kind: type
    value: Any


@dataclass(eq=False, slots=True)
class Signature:
    """A distinct call: operator, arguments by name with tensors as :class:`Operand`, and outputs.

    ``memory`` are the outputs' shapes, strides and types where they are all there is to know;
    ``kernel`` is what the call is lowered to, once it is needed.
    """

    operator: Any
    info: OperatorInfo
    arguments: tuple[tuple[str, Any], ...]
    outputs: tuple[Any, ...]
    memory: Any = None
    kernel: Any = None


@dataclass(slots=True)
class Scan:
    """What one look over a call's arguments finds: its tensors, the bits of their marks, a parameter among them."""

    written: Container[int]
    tensors: list[torch.Tensor] = field(default_factory=list)
    bits: int = CONSTANT
    learned: Provenance | None = None
    has_values: bool = False
    stored: int | None = None
    sizes: Sizes | None = None

    def describe(self, value: Any) -> Any:
        """An argument as part of a signature."""
        kind = type(value)
        if kind is int or value is None or kind is str:
            return value
        if kind is FakeTensor or isinstance(value, torch.Tensor):
            return self._operand(value)
        if kind is list or kind is tuple or isinstance(value, (list, tuple)):
            return tuple([self.describe(item) for item in value])
        if kind is float or kind is bool or kind is complex:
            return Literal(kind, value)
        if kind is torch.SymInt or kind is torch.SymFloat or kind is torch.SymBool:
            return plain(value, self.sizes)
        return value

    def _operand(self, tensor: torch.Tensor) -> Operand:
        tensors = self.tensors
        same = len(tensors)
        for place, other in enumerate(tensors):
            if other is tensor:
                same = place
                break
        tensors.append(tensor)
        provenance: Provenance = getattr(tensor, "_nncost_provenance", OF_MODULE)
        bits, name = provenance
        if bits == CONSTANT and self.written and tensor.untyped_storage()._cdata in self.written:
            bits = 1
        self.bits |= bits
        if name:
            self.learned = provenance
        if getattr(tensor, "constant", None) is not None:
            self.has_values = True
        if self.sizes is not None:
            shape = tuple([plain(dim, self.sizes) for dim in tensor.shape])
            return Operand(shape, (), tensor.dtype, bits == CONSTANT, bool(name), same)
        if tensor.layout is torch.strided:
            return Operand(tensor.shape, tensor.stride(), tensor.dtype, bits == CONSTANT, bool(name), same)
        self.stored = stored_values(tensor)
        return Operand(tensor.shape, (), tensor.dtype, bits == CONSTANT, bool(name), same, self.stored)
