"""Deformable convolution (Dai et al. 2017, arXiv 1703.06211; with a mask Zhu et al. 2018, arXiv 1811.11168).

Each tap is sampled at its place plus an offset that is data: 1 add for each coordinate, then as ``grid_sample``
samples with zeros outside; a mask takes 1 mul for each sampled element. The taps are contracted with the kernels as
those of any convolution: C/groups·∏kernel products for each output, however far the offsets reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import cast

import numpy as np

from nncost.dims import exact_divide, product
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library.grid_sample import sample_at


def deformable_conv(
    b: Builder,
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    *,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int = 1,
    offset_groups: int = 1,
) -> Tensor:
    """``x`` (B, C, *sizes) by ``weight`` (M, C/groups, *kernel) at ``offset`` (B, d·G·∏kernel, *outputs): (B, M, *outputs).

    d axes have an offset each; the channels share theirs in G ``offset_groups``. ``mask`` is (B, G·∏kernel, *outputs),
    ``bias`` (M,), ``padding`` the width before each axis.
    """
    inputs = [t for t in (x, weight, offset, mask, bias) if t is not None]
    with b.region(Operation("deform_conv2d"), *inputs) as region:
        taps = _taps(b, x, weight, offset, mask, (stride, padding, dilation), offset_groups)
        region.returns(_contracted(b, taps, weight, bias, groups, offset.shape[2:]))
        region.neurons = product(region.outputs[0].shape[1:])
    return region.outputs[0]


def _taps(
    b: Builder,
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    window: tuple[Sequence[int], Sequence[int], Sequence[int]],
    offset_groups: int,
) -> Tensor:
    """Every tap of every output: (B, C, taps·outputs)."""
    kernel, outputs = weight.shape[2:], offset.shape[2:]
    rows, count, dims = x.shape[0] * offset_groups, product(kernel) * product(outputs), len(kernel)
    each = b.chunk(b.reshape(offset, (rows, product(kernel), dims, product(outputs))), dims, 2)
    positions = []
    for axis, moved in enumerate(each):
        read = partial(_places, axis, kernel, outputs, *(setting[axis] for setting in window))
        places = b.emit(ops.Constant("array", (1, count), x.dtype, read))
        positions.append(b.map("add", b.reshape(moved, (rows, count)), places))
    grouped = b.reshape(x, (rows, exact_divide(x.shape[1], offset_groups), *x.shape[2:]))
    sampled = sample_at(b, grouped, positions, "linear", "zeros", align=True)
    if mask is not None:
        sampled = b.map("mul", sampled, b.reshape(mask, (rows, 1, count)))
    return b.reshape(sampled, (x.shape[0], x.shape[1], count))


def _places(
    axis: int, kernel: Sequence[int], outputs: Sequence[int], stride: int, padding: int, dilation: int
) -> object:
    """Where each tap of each output is along an axis without its offset."""
    shape = (*kernel, *outputs)
    indices = np.indices(shape)
    return (indices[len(kernel) + axis] * stride - padding + indices[axis] * dilation).reshape(1, -1)


def _contracted(
    b: Builder, taps: Tensor, weight: Tensor, bias: Tensor | None, groups: int, outputs: Sequence[object]
) -> Tensor:
    """The taps by the kernels of their group, and the bias."""
    channels_out, channels_in, *kernel = weight.shape
    inner, batch = (groups, channels_in, product(kernel)), taps.shape[0]
    size = cast("tuple[int, ...]", tuple(outputs))
    pieces = b.reshape(taps, (batch, *inner, product(size)))
    kernels = b.reshape(weight, (groups, exact_divide(channels_out, groups), *inner[1:]))
    if groups == 1:
        y = b.contract(
            "bckp,ock->bop",
            b.reshape(pieces, (batch, *inner[1:], product(size))),
            b.reshape(kernels, (channels_out, *inner[1:])),
        )
    else:
        y = b.contract("bgckp,gock->bgop", pieces, kernels)
    y = b.reshape(y, (batch, channels_out, *size))
    return y if bias is None else b.map("add", y, b.reshape(bias, (channels_out, *(1,) * len(size))))
