"""Maximum and average pooling, windowed and global."""

from __future__ import annotations

from collections.abc import Callable

from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lower, lowers
from nncost.frontends.onnx.values import Unlowered
from nncost.frontends.onnx.windows import window_sizes
from nncost.ir.graph import Tensor
from nncost.ir.library import pool

SPATIAL_RANKS = (3, 5)
"""Batch, channels and one to three spatial axes."""


@lowers("MaxPool")
def _max_pool(call: Call) -> Tensor:
    x = call.ranked(0, *SPATIAL_RANKS)
    window = window_sizes(call, x.shape[2:])
    return pool.max_pool(
        call.builder, x, kernel=window.kernel, stride=window.strides,
        padding=window.whole_padding, dilation=window.dilations,
    )  # fmt: skip


@lowers("AveragePool")
def _average_pool(call: Call) -> Tensor:
    """The divisor counts elements of the input, and with count_include_pad also its padding, but no overhang."""
    x = call.ranked(0, *SPATIAL_RANKS)
    window = window_sizes(call, x.shape[2:])
    if any(dilation != 1 for dilation in window.dilations):
        raise Unlowered("dilated average pooling")
    is_padded = any(width != 0 for pair in window.whole_padding for width in pair)
    return pool.average_pool(
        call.builder, x, kernel=window.kernel, stride=window.strides, padding=window.whole_padding,
        count_padding=call.attributes.flag("count_include_pad", False) or not is_padded, overhang=window.overhang,
    )  # fmt: skip


def _global(composite: Callable[..., Tensor]) -> Lower:
    return lambda call: composite(call.builder, call.ranked(0, *SPATIAL_RANKS), keep=True)


lowers("GlobalAveragePool")(_global(pool.global_average_pool))
lowers("GlobalMaxPool")(_global(pool.global_max_pool))
