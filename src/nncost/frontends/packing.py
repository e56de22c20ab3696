"""The bytes of a matrix whose numbers are codes of a few bits, with the scales that make numbers of them again."""

from __future__ import annotations

from typing import Union

from nncost.ir.dtypes import BITS_PER_BYTE
from nncost.records import record

BYTE, WORD = 8, 32
"""Bits of what codes are packed into."""


def _units(bits: int, unit: int) -> int:
    """The bytes of so many bits in whole units."""
    return -(-bits // unit) * unit // BITS_PER_BYTE


@record
class Blocks:
    """Codes with one scale for each block of ``rows`` outputs × ``columns`` inputs; 0 stands for all of them.

    A row's codes are packed into units of ``unit`` bits. ``scale_bytes`` and ``zero_bits`` (codes too, packed likewise)
    are those of a block, ``input_bytes`` those of one input, ``fixed_bytes`` those of a matrix.
    """

    bits: int
    rows: int = 1
    columns: int = 0
    scale_bytes: int = 0
    zero_bits: int = 0
    unit: int = BYTE
    input_bytes: int = 0
    fixed_bytes: int = 0

    def bytes_of(self, outputs: int, inputs: int, parts: int = 1) -> int:
        """The bytes of one matrix; one that is made of ``parts`` has at least a row of scales for each."""
        down = max(-(-outputs // (self.rows or outputs)), parts)
        across = -(-inputs // (self.columns or inputs))
        codes = outputs * _units(inputs * self.bits, self.unit)
        zeros = across * _units(down * self.zero_bits, self.unit)
        return codes + zeros + down * across * self.scale_bytes + inputs * self.input_bytes + self.fixed_bytes


@record
class Runs:
    """Codes of 4 bits with one scale for each run of ``length`` numbers, row after row, as bitsandbytes has them.

    With ``again`` the scales are codes of 8 bits with scales of their own, one for 256 (QLoRA, arXiv 2305.14314, §3).
    A table says which numbers the codes stand for; another one is that of the scales' codes.
    """

    length: int = 64
    again: bool = False
    bits: int = 4

    def bytes_of(self, outputs: int, inputs: int, parts: int = 1) -> int:
        """The bytes of one matrix, whatever its parts."""
        numbers = outputs * inputs
        scales = -(-numbers // self.length)
        taken = _units(numbers * self.bits, BYTE) + FLOAT * (1 << self.bits)
        if not self.again:
            return taken + FLOAT * scales
        return taken + scales + FLOAT * (-(-scales // _SECOND) + (1 << BYTE) + 1)  # and the mean of the scales


FLOAT, HALF = 4, 2
"""Bytes of float32 and float16."""
_SECOND = 256
Packing = Union[Blocks, Runs]
