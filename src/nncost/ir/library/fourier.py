"""Fourier transforms, by the radix-2 algorithm.

A complex transform of n = 2^k points has (n/2)·log₂ n butterflies of one complex product and two complex
sums: 2n·log₂ n mul and 3n·log₂ n add, the 5n·log₂ n of Cooley and Tukey (1965) that benchFFT rates by.
A real one is half of it. Other lengths are rounded up to whole stages and are *estimated*.
"""

from __future__ import annotations

from collections.abc import Sequence

from nncost.dims import Dim, Shape, ceil_log2, is_symbolic, product
from nncost.ir.library.counts import added


def transforms(shape: Shape, axes: Sequence[int], real: Dim | None = None) -> tuple[dict[str, Dim], bool]:
    """Amounts of the transforms along ``axes`` of a complex ``shape``, and whether all lengths are powers of two.

    With ``real``, those along the last of the axes are real, of that length.
    """
    parts, lengths = [], []
    for axis in axes:
        halved = real is not None and axis == axes[-1]
        length = real if halved and real is not None else shape[axis]
        rest = product(size for other, size in enumerate(shape) if other != axis)
        lengths.append(length)
        parts.append(transform(length, rest, real=halved))
    return added({"mul": 0, "add": 0}, *parts), all(_is_power_of_two(length) for length in lengths)


def transform(length: Dim, times: Dim, *, real: bool) -> dict[str, Dim]:
    """``times`` transforms of ``length`` points; a real one takes n·log₂ n mul and ⌊3n·log₂ n/2⌋ add."""
    stages = length * ceil_log2(length) * times
    return {"mul": stages, "add": 3 * stages // 2} if real else {"mul": 2 * stages, "add": 3 * stages}


def _is_power_of_two(length: Dim) -> bool:
    return not is_symbolic(length) and length & (length - 1) == 0
