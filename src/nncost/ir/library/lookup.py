"""Values by key, from a table that is known before a run."""

from __future__ import annotations

from typing import Any

import numpy as np

from nncost.dims import ceil_log2
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor

Array = Any


def looked_up(b: Builder, x: Tensor, keys: Array, values: Array, default: float, dtype: str) -> Tensor:
    """The value of each element's key, ``default`` for one that is not there: ⌈log₂ n⌉ comparisons of n keys, estimated."""
    kept, first = np.unique(keys, return_index=True)

    def run(array: Array) -> Array:
        place = np.searchsorted(kept, array).clip(0, len(kept) - 1)
        found = kept[place] == array
        if kept.dtype.kind == "f":  # NaN is a key like any other.
            found |= np.isnan(kept[place]) & np.isnan(array)
        return np.where(found, values[first[place]], np.asarray(default, dtype=values.dtype))

    quantity = "cmp" if "float" in x.dtype else "int_ops"
    counts = {quantity: x.elements * ceil_log2(len(kept))}
    return b.emit(ops.Algorithm("lookup", ((x.shape, dtype),), counts, ops.ESTIMATED, run), x)
