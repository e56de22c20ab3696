"""Where a tensor's values come from, noted on the tensor, and which parameter it is."""

from __future__ import annotations

import torch

from nncost.frontends.torch.step.fake_tensors import is_fake

CONSTANT, INPUT, STORED, PARAMETER = 0, 1, 2, 6
"""Bits: from numbers only, from inputs, from what the module stores; a parameter or a view of one."""
Provenance = tuple[int, str]
"""The bits and, for a parameter, its name."""
OF_MODULE: Provenance = (STORED, "")
FROM_INPUTS: Provenance = (INPUT, "")
_PARAMETER_ONLY = 4
_KEEPS_PARAMETER = {
    "aten::_to_copy", "aten::clone", "aten::t", "aten::contiguous", "aten::copy", "aten::mul", "aten::div"
}  # fmt: skip
"""Operators whose result still is the parameter it was made of, for the role it plays."""


def provenance_of(tensor: torch.Tensor) -> Provenance:
    """A tensor's provenance; a tensor without a note belongs to the module."""
    return getattr(tensor, "_nncost_provenance", OF_MODULE)


def seen_provenance(tensor: torch.Tensor) -> Provenance:
    """A tensor's provenance; what no operator has made, as ``nn.Parameter(x)``, is the model's input in another form."""
    found: Provenance | None = getattr(tensor, "_nncost_provenance", None)
    if found is None:
        return (INPUT, "") if is_fake(tensor) else OF_MODULE
    return found


def set_provenance(tensor: torch.Tensor, provenance: Provenance) -> torch.Tensor:
    """The tensor with a note of its provenance."""
    tensor._nncost_provenance = provenance
    return tensor


def from_inputs(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor, noted as coming from the user's data."""
    return set_provenance(tensor, FROM_INPUTS)


def result_provenance(name: str, bits: int, parameter: Provenance | None, *, view: bool, random: bool) -> Provenance:
    """The provenance of what an operator makes of operands with the given bits."""
    if parameter is not None and bits == PARAMETER and (view or name in _KEEPS_PARAMETER):
        return parameter
    if random:
        bits |= STORED
    return (bits & ~_PARAMETER_ONLY, "")


def stored_values(tensor: torch.Tensor) -> int | None:
    """How many values a sparse tensor holds; a fake one remembers the number of the tensor it replaces."""
    known: int | None = getattr(tensor, "_nncost_stored", None)
    if known is None and not is_fake(tensor):
        known = values_of(tensor).numel()
    return known


def keep_stored(stored: int | None, tensor: torch.Tensor) -> torch.Tensor:
    """The sparse tensor with a note of how many values it stores."""
    tensor._nncost_stored = stored
    return tensor


def values_of(tensor: torch.Tensor) -> torch.Tensor:
    """The values that a sparse tensor stores."""
    return tensor._values() if tensor.layout is torch.sparse_coo else tensor.values()
