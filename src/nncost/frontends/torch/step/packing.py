"""Parameters that lie in memory in fewer bits than their type has: noted on the tensor, and on views of it."""

from __future__ import annotations

from fractions import Fraction

import torch

from nncost.ir.dtypes import BITS_PER_BYTE

PACKED = "_nncost_packed"
"""The attribute of a tensor whose values lie packed: the bits of one of them."""


def set_packed(parameter: torch.Tensor, taken: int) -> None:
    """Note the bytes that a parameter takes, with its scales and whatever else makes numbers of it again."""
    setattr(parameter, PACKED, Fraction(taken * BITS_PER_BYTE, parameter.numel()))


def packed_bits(tensor: torch.Tensor) -> Fraction | None:
    """The bits of one value of a packed parameter or of a view of one; None for any other tensor."""
    found: Fraction | None = getattr(tensor, PACKED, None)
    return found


def keep_packed(operands: list[torch.Tensor], views: list[torch.Tensor]) -> None:
    """Note that views of a packed tensor are packed."""
    bits = next((bits for operand in operands if (bits := packed_bits(operand)) is not None), None)
    if bits is not None:
        for view in views:
            setattr(view, PACKED, bits)
