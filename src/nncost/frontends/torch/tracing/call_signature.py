"""Call signatures: what makes two calls of an operator equal."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import torch
from torch.utils._pytree import tree_flatten

from nncost.frontends.torch.step.dispatch_table import OperatorInfo
from nncost.frontends.torch.step.fake_tensors import Layout, Outputs
from nncost.frontends.torch.step.packing import packed_bits
from nncost.frontends.torch.step.provenance import CONSTANT, INPUT, Provenance, provenance_of, stored_values
from nncost.frontends.torch.step.symbolic_sizes import Sizes, plain

_LEAVES = {int, float, str, bool, type(None), torch.dtype, torch.device}
_UNKNOWN = object()


class Operand(NamedTuple):
    """A tensor among a call's arguments; ``same`` is the position of its first appearance, so that aliases are seen.

    A tracer also notes whether it is a ``constant`` or a ``parameter``, how many values a
    ``sparse`` one holds, if that is known, and how many bits those of a ``packed`` one take.
    """

    shape: tuple[Any, ...]
    stride: tuple[Any, ...]
    dtype: torch.dtype
    same: int
    constant: bool = False
    parameter: bool = False
    stored: int | None = None
    sparse: bool = False
    conjugate: bool = False
    packed: Fraction | None = None

    @property
    def layout(self) -> Layout:
        """What it looks like."""
        return Layout(self.shape, self.stride, self.dtype)


class Literal(NamedTuple):
    """A number whose type matters: 1, 1.0 and True are different arguments."""

    kind: type
    value: Any


@dataclass(eq=False, slots=True)
class CallSignature:
    """A distinct call: operator, arguments by name with tensors as :class:`Operand`, and outputs.

    ``results`` say how to make the results again, if that is known. ``kernel`` is what the call is lowered to, once
    it is needed.
    """

    operator: Any
    info: OperatorInfo
    arguments: tuple[tuple[str, Any], ...]
    outputs: tuple[Any, ...]
    results: Outputs | None = None
    kernel: Any = None


def flattened(args: Any, kwargs: Any) -> tuple[list[Any], Any]:
    """The leaves of a call's arguments, and a key for the way in which they are held."""
    leaves: list[Any] = []
    form = _form((args, kwargs), leaves)
    if form is not _UNKNOWN:
        return leaves, form
    leaves, structure = tree_flatten((args, kwargs))
    return leaves, str(structure)


def _form(value: Any, leaves: list[Any]) -> Any:
    """The form of tuples, lists and dictionaries, whose leaves are noted; _UNKNOWN where there is something else."""
    kind = type(value)
    if kind is dict:
        keys, values = tuple(value), value.values()
    elif kind is tuple or kind is list:
        keys, values = (), value
    elif isinstance(value, torch.Tensor) or kind in _LEAVES:
        leaves.append(value)
        return None
    else:
        return _UNKNOWN
    forms = [_form(item, leaves) for item in values]
    return _UNKNOWN if any(form is _UNKNOWN for form in forms) else (kind, keys, tuple(forms))


class Description:
    """The arguments of one call, described; ``tensors`` are those met on the way.

    ``repeatable``: an equal call has equal results; not so if values decide, or sizes are symbols.
    """

    __slots__ = ("repeatable", "sizes", "tensors")

    def __init__(self, sizes: Sizes | None = None) -> None:
        self.tensors: list[torch.Tensor] = []
        self.sizes = sizes
        self.repeatable = sizes is None

    def of(self, value: Any) -> Any:
        """An argument as part of a signature."""
        kind = type(value)
        if kind is int or value is None or kind is str:
            return value
        if kind is torch.Tensor or isinstance(value, torch.Tensor):
            return self.operand(value)
        if kind is list or kind is tuple or isinstance(value, (list, tuple)):
            return tuple([self.of(item) for item in value])
        if kind is float or kind is bool or kind is complex:
            return Literal(kind, value)
        if kind is torch.SymInt or kind is torch.SymFloat or kind is torch.SymBool:
            return plain(value, self.sizes)
        return value

    def operand(self, tensor: torch.Tensor) -> Operand:
        """A tensor by its layout."""
        same = self.position(tensor)
        if tensor.layout is not torch.strided:
            self.repeatable = False
            return Operand(tuple(tensor.shape), (), tensor.dtype, same)
        conjugate = tensor.dtype.is_complex and tensor.is_conj()
        return Operand(tensor.shape, tensor.stride(), tensor.dtype, same, conjugate=conjugate)

    def position(self, tensor: torch.Tensor) -> int:
        """Note a tensor; the position of its first appearance."""
        tensors = self.tensors
        same = len(tensors)
        for position, other in enumerate(tensors):
            if other is tensor:
                same = position
                break
        tensors.append(tensor)
        return same


class TracedDescription(Description):
    """Also where the tensors come from: the bits of all of them, and a parameter among them.

    ``written`` is memory that the run has written to, which holds more than constants.
    """

    __slots__ = ("bits", "parameter", "provenance_of", "written")

    def __init__(
        self,
        written: Container[int],
        sizes: Sizes | None = None,
        provenance_of: Callable[[torch.Tensor], Provenance] = provenance_of,
    ) -> None:
        super().__init__(sizes)
        self.written, self.provenance_of = written, provenance_of
        self.bits = CONSTANT
        self.parameter: Provenance | None = None

    def operand(self, tensor: torch.Tensor) -> Operand:
        """A tensor by its layout and provenance."""
        same = self.position(tensor)
        provenance = self.provenance_of(tensor)
        bits, name = provenance
        if bits == CONSTANT and self.written and self._is_written(tensor):
            bits = INPUT
        self.bits |= bits
        if name:
            self.parameter = provenance
        is_constant = bits == CONSTANT
        packed = packed_bits(tensor) if name else None
        if self.sizes is not None:
            shape = tuple([plain(dim, self.sizes) for dim in tensor.shape])
            return Operand(shape, (), tensor.dtype, same, is_constant, bool(name), packed=packed)
        if tensor.layout is torch.strided:
            return Operand(tensor.shape, tensor.stride(), tensor.dtype, same, is_constant, bool(name), packed=packed)
        return Operand(
            tensor.shape, (), tensor.dtype, same, is_constant, bool(name), stored_values(tensor), sparse=True
        )

    def _is_written(self, tensor: torch.Tensor) -> bool:
        return tensor.layout is not torch.strided or tensor.untyped_storage()._cdata in self.written
