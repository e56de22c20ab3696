"""Marks on tensors: where a value comes from, and which parameter it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor

CONSTANT, INPUT, STORED, PARAMETER = 0, 1, 2, 6
"""Bits: from nothing but numbers, from inputs, from what the module stores; a parameter or a view of one."""
Provenance = tuple[int, str]
"""The bits and, for a parameter, its name."""
OF_MODULE: Provenance = (STORED, "")
_PARAMETER_ONLY = 4
_KEEPS_PARAMETER = {
    "aten::_to_copy", "aten::clone", "aten::t", "aten::contiguous", "aten::copy", "aten::mul", "aten::div"
}  # fmt: skip
"""Operators whose result still is the parameter it was made of, for the role it plays."""


def provenance_of(tensor: torch.Tensor) -> Provenance:
    """A tensor's provenance; a tensor that nobody marked belongs to the module."""
    return getattr(tensor, "_nncost_provenance", OF_MODULE)


def set_provenance(tensor: torch.Tensor, provenance: Provenance) -> torch.Tensor:
    """The tensor with a provenance."""
    tensor._nncost_provenance = provenance
    return tensor


def from_inputs(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor, marked as coming from the user's data."""
    return set_provenance(tensor, (INPUT, ""))


def result_provenance(name: str, bits: int, learned: Provenance | None, *, view: bool, random: bool) -> Provenance:
    """The provenance of what an operator makes of operands with the given bits."""
    if learned is not None and bits == PARAMETER and (view or name in _KEEPS_PARAMETER):
        return learned
    if random:
        bits |= STORED
    return (bits & ~_PARAMETER_ONLY, "")


def tensors_in(value: Any) -> list[Any]:
    """The tensors of a nested structure."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [tensor for item in value for tensor in tensors_in(item)]
    return []


def stored_values(tensor: torch.Tensor) -> int | None:
    """How many values a sparse tensor holds; stand-ins hold none and remember those of the tensor they stand for."""
    known: int | None = getattr(tensor, "_nncost_stored", None)
    if known is None and not isinstance(tensor, FakeTensor):
        known = int(tensor._nnz())
    return known


def keep_stored(stored: int | None, tensors: Iterable[torch.Tensor]) -> None:
    """Sparse results hold as many values as the sparse operand they were made of."""
    if stored is not None:
        for tensor in tensors:
            if tensor.layout is not torch.strided:
                tensor._nncost_stored = stored
