"""Numbers rounded to the steps of a small type and back, with steps and zero points that are tensors of their own.

Into the type each element takes 1 div by its step, 1 add of the zero point where there is one, and 2 cmp with
the type's range (rounding is free; floats of eight bits and fewer take the div only); out of it 1 whole-number subtraction where there is
a zero point, and 1 mul. A product of small whole numbers has the products of any other; its sums are brought
to the steps of the result with 1 mul each.
"""

from __future__ import annotations

from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.dtypes import DTYPE_BITS
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation

SUMS = "int32"
"""What products of small whole numbers are added up in."""


def range_of(dtype: str) -> tuple[int, int]:
    """The smallest and the largest number of a type of whole numbers."""
    bits = DTYPE_BITS[dtype]
    return (0, 2**bits - 1) if dtype.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def quantize_linear(b: Builder, x: Tensor, scale: Tensor, zero: Tensor | None, dtype: str) -> Tensor:
    """round(x/s) + z within the range of ``dtype``, in that type; ``scale`` and ``zero`` broadcast to ``x``."""
    given = [tensor for tensor in (x, scale, zero) if tensor is not None]
    with b.region(Operation("quantize"), *given) as region:
        y = b.map("div", in_type(b, x, scale.dtype), scale)
        if "float" in dtype:
            region.returns(b.emit(ops.Cast(dtype, saturate=True), y))
        else:
            region.returns(rounded(b, y, zero, dtype))
    return region.outputs[0]


def rounded(b: Builder, y: Tensor, zero: Tensor | None, dtype: str) -> Tensor:
    """round(y) + z within the range of ``dtype``, in that type."""
    y = b.map("round", y)
    if zero is not None:
        y = b.map("add", y, in_type(b, zero, y.dtype))
    low, high = (b.full((), float(bound), y.dtype) for bound in range_of(dtype))
    return b.emit(ops.Cast(dtype), b.map("clip", y, low, high))


def dequantize_linear(b: Builder, x: Tensor, scale: Tensor, zero: Tensor | None, dtype: str) -> Tensor:
    """(x − z)·s in the float type ``dtype``; ``scale`` and ``zero`` broadcast to ``x``."""
    given = [tensor for tensor in (x, scale, zero) if tensor is not None]
    with b.region(Operation("dequantize"), *given) as region:
        numbers = x if "float" in x.dtype else without_zero(b, x, zero)
        region.returns(in_type(b, b.map("mul", in_type(b, numbers, scale.dtype), scale), dtype))
    return region.outputs[0]


def without_zero(b: Builder, x: Tensor, zero: Tensor | None) -> Tensor:
    """Small whole numbers in the type of their sums, less their zero point."""
    wide = in_type(b, x, SUMS)
    return wide if zero is None else b.map("sub", wide, in_type(b, zero, SUMS))


def requantize(b: Builder, sums: Tensor, factor: Tensor, zero: Tensor | None, dtype: str) -> Tensor:
    """Sums of products in the steps of the result: 1 mul by the quotient of the steps, then :func:`rounded`."""
    return rounded(b, b.map("mul", in_type(b, sums, factor.dtype), factor), zero, dtype)


def dynamic(b: Builder, x: Tensor) -> tuple[Tensor, Tensor]:
    """Floats brought to eight bits in the range they have, less their zero point, and the step: 2(n−1) cmp find the range.

    The range holds zero (2 cmp), the step is 1 add and 1 div, the zero point 1 div and 2 cmp.
    """
    low, high = range_of("uint8")
    least = b.map("min", b.reduce("min", x, range(x.rank)), 0.0)
    most = b.map("max", b.reduce("max", x, range(x.rank)), 0.0)
    scale = b.map("div", b.map("sub", most, least), float(high - low))
    zero = rounded(b, b.map("div", b.map("neg", least), scale), None, "uint8")
    return without_zero(b, quantize_linear(b, x, scale, zero, "uint8"), zero), scale


def in_type(b: Builder, x: Tensor, dtype: str) -> Tensor:
    """A tensor in a type; itself if it has it."""
    return x if x.dtype == dtype else b.emit(ops.Cast(dtype), x)
