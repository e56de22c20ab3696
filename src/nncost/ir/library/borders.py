"""Padding with elements of the tensor itself: mirrored at the border, the border repeated, or around."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

from nncost.dims import Dim
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor

Border = Literal["reflect", "replicate", "circular"]
_NUMPY_MODES: dict[Border, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad_with_border(b: Builder, x: Tensor, widths: Sequence[tuple[int, int]], border: Border) -> Tensor:
    """The last axes padded by ``widths`` (before, after). Moves; backward adds each gradient to its element."""
    first = x.rank - len(widths)
    for axis, (low, high) in enumerate(widths, first):
        if low or high:
            size: Dim = x.shape[axis]
            index = ops.Constant("array", (low + size + high,), "int64", partial(_sources, border, low, size, high))
            x = b.emit(ops.Gather(axis), x, b.emit(index))
    return x


def _sources(border: Border, low: int, size: int, high: int) -> Any:
    """Which element stands at each position of a padded axis."""
    import numpy as np

    return np.pad(np.arange(size), (low, high), mode=_NUMPY_MODES[border])
