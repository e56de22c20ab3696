"""Pooling: maximum, average, global and adaptive."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product as combinations
from typing import cast

from nncost.dims import Dim, add_all, ceil_divide, floor_divide, product
from nncost.ir import ops
from nncost.ir.builder import Builder, GradientRule
from nncost.ir.dtypes import INTEGER_DTYPES
from nncost.ir.graph import Gradients, Region, Tensor
from nncost.ir.layers import AdaptivePool, Extreme, GlobalPool, Operation, Pool
from nncost.ir.library.conv import pad_spatial
from nncost.records import record

Padding = Sequence[tuple[Dim, Dim]]


def max_pool(
    b: Builder, x: Tensor, *, kernel: Sequence[Dim], stride: Sequence[int], padding: Padding, dilation: Sequence[int]
) -> Tensor:
    """K−1 cmp per output; backward adds each output's gradient to the element it came from.

    The flat position of each maximum is found by index arithmetic on constants, which is free.
    """
    layer = Pool("max", tuple(kernel), tuple(stride), tuple(padding), tuple(dilation))
    with b.region(layer, x) as region:
        y, source, padded = maxima(b, x, layer)
        region.returns(y, saved=(source, padded), gradient=to_sources(padding))
    return y


def maxima(b: Builder, x: Tensor, layer: Pool) -> tuple[Tensor, Tensor, Tensor]:
    """The maxima, the flat position of each in the padded plane, and the padded input."""
    window = ops.Window(tuple(range(2, x.rank)), layer.kernel, layer.strides, layer.dilations)
    padded = pad_spatial(b, x, layer.padding, _lowest(x.dtype))
    iota = b.emit(ops.Constant("iota", (1, 1, *padded.shape[2:]), "int64"))
    taps, positions = _flat_taps(b, b.emit(window, padded)), _flat_taps(b, b.emit(window, iota))
    y, index = b.emit_many(ops.ArgReduce("max", taps.rank - 1), taps)
    chosen = b.unsqueeze(index, index.rank)
    spread = b.broadcast(positions, (*index.shape, positions.shape[-1]))
    source = b.reshape(b.emit(ops.Gather(spread.rank - 1, along=True), spread, chosen), index.shape)
    return y, source, padded


def _lowest(dtype: str) -> float:
    """What never wins a maximum."""
    if dtype not in INTEGER_DTYPES:
        return float("-inf")

    from nncost.ir.numpy_types import limits_of, numpy_dtype  # NumPy, which counting does without

    return float(limits_of(numpy_dtype(dtype))[0])


def _flat_taps(b: Builder, windows: Tensor) -> Tensor:
    outer = 2 + (windows.rank - 2) // 2
    return b.reshape(windows, (*windows.shape[:outer], product(windows.shape[outer:])))


def to_sources(padding: Padding) -> GradientRule:
    """The gradient of maxima whose flat positions in the padded input were saved with it."""

    def gradient(
        b: Builder, region: Region, gradients: Sequence[Tensor | None], wanted: frozenset[Tensor]
    ) -> Gradients:
        """Miniature: max(3, 7, 5) = 7 with g = 2 gives (0, 2, 0): one addition into zeros."""
        (x,), (source, padded), g = region.inputs, region.saved, gradients[0]
        if g is None or x not in wanted:
            return {}
        flat = (*g.shape[:2], product(g.shape[2:]))
        scatter = ops.Scatter(2, product(padded.shape[2:]), along=True)
        whole = b.reshape(b.emit(scatter, b.reshape(g, flat), b.reshape(source, flat)), padded.shape)
        return {x: pad_spatial(b, whole, [(-low, -high) for low, high in padding])}

    return gradient


def average_pool(
    b: Builder,
    x: Tensor,
    *,
    kernel: Sequence[Dim],
    stride: Sequence[int],
    padding: Padding,
    dilation: Sequence[int] = (),
    count_padding: bool = True,
    overhang: Sequence[Dim] = (),
    divisor: float | None = None,
) -> Tensor:
    """K−1 add and 1 div per output; with ``count_padding`` it is divided by K at the border too.

    ``overhang`` is how much of the padding after each axis never counts (a last window that reaches
    beyond it, in ceil mode); ``divisor`` is a number in place of K.
    """
    spatial = tuple(range(2, x.rank))
    steps = tuple(dilation) or (1,) * len(kernel)
    layer = Pool(
        "average", tuple(kernel), tuple(stride), tuple(padding), steps, count_padding, tuple(overhang), divisor
    )
    window = ops.Window(spatial, layer.kernel, layer.strides, layer.dilations)
    is_dilated = any(step != 1 for step in steps)
    with b.region(Operation(layer.name) if is_dilated else layer, x) as region:
        taps = b.emit(window, pad_spatial(b, x, padding))
        total = b.reduce("sum", taps, range(x.rank, taps.rank))
        if divisor is not None:
            y = b.map("div", total, divisor)
        elif count_padding and not any(overhang):
            y = b.map("div", total, b.size_constant(kernel))
        else:
            counted = b.emit(window, _counted(b, x, padding, overhang or [0] * len(kernel), count_padding))
            y = b.map("div", total, b.broadcast(b.reduce("sum", counted, range(x.rank, taps.rank)), total.shape))
        region.returns(y)
    return y


def _counted(b: Builder, x: Tensor, padding: Padding, overhang: Sequence[Dim], whole: bool) -> Tensor:
    """Ones for elements that count, ``whole``: those of the padding too, except the overhang."""
    widths = [(0, extra) for extra in overhang] if whole else padding
    spatial: Sequence[Dim] = x.shape[2:]
    if whole:
        spatial = [low + n + high - extra for n, (low, high), extra in zip(spatial, padding, overhang, strict=True)]
    ones = b.full((1, 1, *spatial), 1.0, b.dtype)
    return pad_spatial(b, ones, widths)


def global_average_pool(b: Builder, x: Tensor, *, keep: bool = False) -> Tensor:
    """``(B, C, *spatial) → (B, C)``: the mean of each channel; ``keep`` leaves axes of size one."""
    with b.region(GlobalPool("average", keep), x) as region:
        y = b.mean(x, range(2, x.rank), keep=keep)
        region.returns(y)
    return y


def global_max_pool(b: Builder, x: Tensor, *, keep: bool = False) -> Tensor:
    """``(B, C, *spatial) → (B, C)``: the largest element of each channel."""
    with b.region(GlobalPool("max", keep), x) as region:
        flat = b.reshape(x, (*x.shape[:2], product(x.shape[2:])))
        y, _ = b.emit_many(ops.ArgReduce("max", 2), flat)
        if keep:
            y = b.reshape(y, (*y.shape, *(1,) * (x.rank - 2)))
        region.returns(y)
    return y


def adaptive_pool(b: Builder, x: Tensor, output: Sequence[int], *, function: Extreme = "average") -> Tensor:
    """``(B, C, *spatial) → (B, C, *output)`` with windows from ⌊i·n/m⌋ to ⌈(i+1)·n/m⌉.

    ``function`` is ``average`` or ``max``. If the windows are all alike this is ordinary pooling,
    else each window is its own reduction and taps are gathered by constant indices.
    """
    lengths = cast("tuple[int, ...]", x.shape[2:])
    if all(n % m == 0 for n, m in zip(lengths, output, strict=True)):
        kernel = [n // m for n, m in zip(lengths, output, strict=True)]
        none = [(0, 0)] * len(kernel)
        if function == "max":
            return max_pool(b, x, kernel=kernel, stride=kernel, padding=none, dilation=[1] * len(kernel))
        return average_pool(b, x, kernel=kernel, stride=kernel, padding=none)
    bounds = [
        [(floor_divide(i * n, m), ceil_divide((i + 1) * n, m)) for i in range(m)]
        for n, m in zip(lengths, output, strict=True)
    ]
    windows = [_TapIndices(lengths, window) for window in combinations(*bounds)]
    with b.region(AdaptivePool(function, tuple(output)), x) as region:
        taps = _gathered(b, b.reshape(x, (*x.shape[:2], product(lengths))), windows)
        shape = (*x.shape[:2], *output)
        if function == "max":
            extremes = [b.emit_many(ops.ArgReduce("max", 2), window) for window in taps]
            y = b.reshape(b.emit(ops.Concat(2), *(b.unsqueeze(value, 2) for value, _ in extremes)), shape)
            found = [_sources(b, index, window) for (_, index), window in zip(extremes, windows, strict=True)]
            source = b.reshape(b.emit(ops.Concat(2), *found), shape)
            region.returns(y, saved=(source, x), gradient=to_sources(()))
        else:
            y = b.reshape(b.emit(ops.Concat(2), *(b.mean(window, [2], keep=True) for window in taps)), shape)
            region.returns(y)
    return y


@record
class _TapIndices:
    """Row-major indices of the elements in one window, listed when the graph runs: there may be billions."""

    lengths: Sequence[int]
    bounds: Sequence[tuple[Dim, Dim]]

    @property
    def count(self) -> Dim:
        """How many there are."""
        return product(stop - start for start, stop in self.bounds)

    def __call__(self) -> list[int]:
        indices = [0]
        for length, bounds in zip(self.lengths, self.bounds, strict=True):
            indices = [index * length + j for index in indices for j in range(*cast("tuple[int, int]", bounds))]
        return indices


def _gathered(b: Builder, flat: Tensor, windows: Sequence[_TapIndices]) -> Sequence[Tensor]:
    """The elements of all windows, gathered once, so that backward scatters each of them once."""
    counts = tuple(window.count for window in windows)
    index = b.emit(
        ops.Constant("array", (add_all(counts),), "int64", lambda: [i for window in windows for i in window()])
    )
    return b.emit_many(ops.Split(2, counts), b.emit(ops.Gather(2), flat, index))


def _sources(b: Builder, index: Tensor, window: _TapIndices) -> Tensor:
    """The flat position of each maximum: a look-up in the window's constant indices."""
    positions = b.emit(ops.Constant("array", (window.count,), "int64", window))
    return b.unsqueeze(b.emit(ops.Gather(0), positions, index), 2)
