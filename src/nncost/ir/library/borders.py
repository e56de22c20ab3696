"""Padding with elements of the tensor itself: mirrored at the border, the border repeated, or around."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

from nncost.dims import Dim, is_symbolic, product
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor

Border = Literal["reflect", "replicate", "circular"]
_NUMPY_MODES: dict[Border, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def framed(b: Builder, x: Tensor, before: tuple[Dim, ...], after: tuple[Dim, ...], filling: Tensor | float) -> Tensor:
    """``x`` with ``filling`` around it, or cropped by negative widths; a filling that is data is selected, 1 cmp each."""
    pairs = [_without_lost(*each) for each in zip(x.shape, before, after, strict=True)]
    before, after = tuple(low for low, _ in pairs), tuple(high for _, high in pairs)
    if not isinstance(filling, Tensor):
        return b.emit(ops.Pad(before, after, filling), x)
    op = ops.Pad(before, after)
    inside = b.emit(op, b.full(x.shape, True, "bool"))
    return b.map("select", inside, b.emit(op, x), b.reshape(filling, ()))


def _without_lost(size: Dim, low: Dim, high: Dim) -> tuple[Dim, Dim]:
    """Widths that crop no more than there is: beyond it, a crop takes from the padding on the other side.

    Miniature: 3 elements with 5 before them, less the last 4, are 4 of the 5.
    """
    if any(map(is_symbolic, (size, low, high))):
        return low, high
    if low > 0 and high < -size:
        return low + high + size, -size
    if high > 0 and low < -size:
        return -size, high + low + size
    return low, high


def pad_with_border(b: Builder, x: Tensor, widths: Sequence[tuple[int, int]], border: Border) -> Tensor:
    """The last axes padded by ``widths`` (before, after), in one move; backward adds each gradient to its element."""
    first = x.rank - len(widths)
    padded = [axis for axis, pair in enumerate(widths, first) if pair != (0, 0)]
    if not padded:
        return x
    start, end = padded[0], padded[-1] + 1
    sizes, pairs = x.shape[start:end], widths[start - first : end - first]
    larger = [low + size + high for size, (low, high) in zip(sizes, pairs, strict=True)]
    index = ops.Constant("array", (product(larger),), "int64", partial(_sources, border, sizes, pairs))
    flat = b.reshape(x, (*x.shape[:start], product(sizes), *x.shape[end:]))
    return b.reshape(b.emit(ops.Gather(start), flat, b.emit(index)), (*x.shape[:start], *larger, *x.shape[end:]))


def _sources(border: Border, sizes: Sequence[int], widths: Sequence[tuple[int, int]]) -> Any:
    """Which element stands at each position of the padded axes, all of them counted through."""
    import numpy as np

    return np.pad(np.arange(product(sizes)).reshape(sizes), widths, mode=_NUMPY_MODES[border]).reshape(-1)
