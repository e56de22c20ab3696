"""Maximum, average and norm pooling, windowed and global, and what puts windows back together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nncost.dims import is_symbolic, product
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lower, Lowered, lowers
from nncost.frontends.onnx.values import Unlowered
from nncost.frontends.onnx.windows import WindowSizes, settings_of_windows, window_sizes
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.layers import Operation
from nncost.ir.library import places, pool, pool_forms
from nncost.ir.library.im2col import col2im
from nncost.ir.library.reductions import vector_norm

MICROSOFT = "com.microsoft"
SPATIAL_RANKS = (3, 5)
"""Batch, channels and one to three spatial axes."""


@lowers("MaxPool")
def _max_pool(call: Call) -> Lowered:
    x, b = call.ranked(0, *SPATIAL_RANKS), call.builder
    settings = _settings(window_sizes(call, x.shape[2:]))
    if not call.wants(1):
        return pool.max_pool(b, x, **settings)
    column_major = call.attributes.flag("storage_order", False)
    if column_major and any(map(is_symbolic, x.shape)):
        raise Unlowered("positions in a symbolic size")
    return pool_forms.max_pool_with_indices(b, x, **settings, column_major=column_major)


def _settings(window: WindowSizes) -> dict[str, Any]:
    return {
        "kernel": window.kernel, "stride": window.strides, "padding": window.whole_padding,
        "dilation": window.dilations,
    }  # fmt: skip


@lowers("NhwcMaxPool", domain=MICROSOFT)
def _max_pool_channels_last(call: Call) -> Tensor:
    """Maxima of an image whose channels are its last axis."""
    x, b = call.ranked(0, *SPATIAL_RANKS), call.builder
    first = b.transpose(x, (0, x.rank - 1, *range(1, x.rank - 1)))
    y = pool.max_pool(b, first, **_settings(window_sizes(call, first.shape[2:])))
    return b.transpose(y, (0, *range(2, y.rank), 1))


@lowers("MaxpoolWithMask", domain=MICROSOFT)
def _masked_max_pool(call: Call) -> Tensor:
    """Maxima of the elements of a window's rows before the first one whose mask is zero."""
    x = call.ranked(0, *SPATIAL_RANKS)
    settings = _settings(window_sizes(call, x.shape[2:]))
    return pool_forms.masked_max_pool(call.builder, x, call.constant(1), **settings)


@lowers("AveragePool")
def _average_pool(call: Call) -> Tensor:
    """The divisor counts elements of the input, and with count_include_pad also its padding, but no overhang."""
    x = call.ranked(0, *SPATIAL_RANKS)
    window = window_sizes(call, x.shape[2:])
    is_padded = any(width != 0 for pair in window.whole_padding for width in pair)
    counts_padding = call.attributes.flag("count_include_pad", False) or not is_padded
    return pool.average_pool(
        call.builder, x, **_settings(window), count_padding=counts_padding, overhang=window.overhang
    )


def _order(call: Call) -> float:
    """The order of a norm, which is a whole number from opset 2 on."""
    p = call.attributes.number("p", 2.0) if call.opset < 2 else float(call.attributes.integer("p", 2))
    if p <= 0:
        raise SourceError(f"the order of a norm is more than 0, received {p}.")
    return p


@lowers("LpPool")
def _norm_pool(call: Call) -> Tensor:
    x = call.ranked(0, *SPATIAL_RANKS)
    return pool_forms.norm_pool(call.builder, x, _order(call), **_settings(window_sizes(call, x.shape[2:])))


@lowers("GlobalLpPool")
def _global_norm_pool(call: Call) -> Tensor:
    x = call.ranked(0, *SPATIAL_RANKS)
    with call.builder.region(Operation("global_lp_pool"), x) as region:
        region.returns(vector_norm(call.builder, x, _order(call), range(2, x.rank), keep=True))
    return region.outputs[0]


@lowers("MaxUnpool", since=9)
def _max_unpool(call: Call) -> Tensor:
    """Elements put back where a pooling of that kernel found them, in zeros; a larger ``output_shape`` has zeros behind."""
    x, index, b = call.ranked(0, *SPATIAL_RANKS), call.ranked(1, *SPATIAL_RANKS), call.builder
    window = window_sizes(call, x.shape[2:])
    every = zip(x.shape[2:], window.kernel, window.strides, window.padding, strict=True)
    shape = (*x.shape[:2], *((n - 1) * s - low - high + k for n, k, s, (low, high) in every))
    zeros = b.full((product(shape),), 0.0, x.dtype)
    count = x.elements
    flat = places.put(b, zeros, b.reshape(index, (count,)), b.reshape(x, (count,)))
    whole = b.reshape(flat, shape)
    if not call.has(2):
        return whole
    behind = tuple(wanted - n for wanted, n in zip(call.integers(2), shape, strict=True))
    return b.emit(ops.Pad((0,) * x.rank, behind), whole)


@lowers("Col2Im", since=18)
def _col2im(call: Call) -> Tensor:
    """Columns added up where their windows lie in an image of any number of axes."""
    columns, size, kernel = call.ranked(0, 3, 3), call.integers(1), call.numbers(2)
    if len(size) != len(kernel):
        raise ShapeError(f"blocks of {kernel} do not fit an image of {size}.")
    strides, dilations, padding = settings_of_windows(call, len(kernel))
    return col2im(
        call.builder, columns, size, kernel=kernel, stride=strides, padding=padding, dilation=dilations
    )  # fmt: skip


def _global(composite: Callable[..., Tensor]) -> Lower:
    return lambda call: composite(call.builder, call.ranked(0, *SPATIAL_RANKS), keep=True)


lowers("GlobalAveragePool")(_global(pool.global_average_pool))
lowers("GlobalMaxPool")(_global(pool.global_max_pool))
