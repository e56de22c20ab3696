"""Windows as columns (im2col), and columns added back (col2im)."""

from __future__ import annotations

from collections.abc import Sequence

from nncost.dims import Dim, exact_divide, floor_divide, product
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
    b: Builder, columns: Tensor, size: Sequence[Dim], *, kernel: Sequence[int], stride: Sequence[int],
    padding: Sequence[tuple[int, int]], dilation: Sequence[int],
) -> Tensor:  # fmt: skip
    """``(B, C·∏kernel, L)`` gives ``(B, C, *size)`` of any number of axes: one add per element, into zeros."""
    axes, taps = len(kernel), product(kernel)
    wide = [n + low + high for n, (low, high) in zip(size, padding, strict=True)]
    counts = [
        floor_divide(n - d * (k - 1) - 1, s) + 1 for n, d, k, s in zip(wide, dilation, kernel, stride, strict=True)
    ]
    batch, channels = columns.shape[0], exact_divide(columns.shape[1], taps)
    parted = b.reshape(columns, (batch, channels, *kernel, *counts))
    windows = b.transpose(parted, (0, 1, *range(2 + axes, 2 + 2 * axes), *range(2, 2 + axes)))
    whole = b.emit(ops.Fold(tuple(range(2, 2 + axes)), tuple(wide), tuple(stride), tuple(dilation)), windows)
    return pad_spatial(b, whole, [(-low, -high) for low, high in padding])
