"""Windows as columns (im2col), and columns added back (col2im)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from nncost.dims import floor_divide
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.library.conv import pad_spatial


def im2col(
    b: Builder, x: Tensor, *, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:  # fmt: skip
    """``(B, C, H, W)`` gives ``(B, C, *kernel, *positions)``; no arithmetic."""
    sides = [(width, width) for width in padding]
    taps = b.emit(ops.Window((2, 3), tuple(kernel), tuple(stride), tuple(dilation)), pad_spatial(b, x, sides))
    return b.transpose(taps, (0, 1, 4, 5, 2, 3))


def col2im(
    b: Builder, columns: Tensor, size: Sequence[int], *, kernel: Sequence[int], stride: Sequence[int],
    padding: Sequence[int], dilation: Sequence[int],
) -> Tensor:  # fmt: skip
    """``(B, C·∏kernel, L)`` gives ``(B, C, *size)``: one add per element, into zeros."""
    wide = [n + 2 * p for n, p in zip(size, padding, strict=True)]
    counts = [
        floor_divide(n - d * (k - 1) - 1, s) + 1 for n, d, k, s in zip(wide, dilation, kernel, stride, strict=True)
    ]
    channels = cast("int", columns.shape[1]) // (kernel[0] * kernel[1])
    taps = b.transpose(b.reshape(columns, (columns.shape[0], channels, *kernel, *counts)), (0, 1, 4, 5, 2, 3))
    whole = b.emit(ops.Fold((2, 3), tuple(wide), tuple(stride), tuple(dilation)), taps)
    return pad_spatial(b, whole, [(-width, -width) for width in padding])
