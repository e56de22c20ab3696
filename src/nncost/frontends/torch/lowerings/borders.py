"""Padding with elements of the border."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from nncost.frontends.torch.lowerings.gradient import gradient
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor


@lowers("aten::reflection_pad1d", "aten::reflection_pad2d", "aten::reflection_pad3d", "aten::replication_pad1d",
        "aten::replication_pad2d", "aten::replication_pad3d", "aten::_pad_circular")  # fmt: skip
def _mirrored(call: Call) -> Tensor:
    """Elements of the border again: each axis is taken at places known before the model runs."""
    return _padded_by_place(call)(call.builder, call.tensor("self"))


def _padded_by_place(call: Call) -> Callable[[Builder, Tensor], Tensor]:
    widths, mode = call["padding" if "padding" in call.arguments else "pad"], call.name

    def apply(b: Builder, x: Tensor) -> Tensor:
        for number in range(len(widths) // 2):
            axis = x.rank - 1 - number
            low, high, size = widths[2 * number], widths[2 * number + 1], x.shape[axis]
            index = ops.Constant("array", (low + size + high,), "int64", partial(_border, mode, low, size, high))
            x = b.emit(ops.Gather(axis), x, b.emit(index))
        return x

    return apply


def _border(mode: str, low: int, size: int, high: int) -> Any:
    import numpy as np

    places = np.arange(-low, size + high)
    if "replication" in mode:
        return places.clip(0, size - 1)
    if "circular" in mode:
        return places % size
    return size - 1 - np.abs(size - 1 - np.abs(places))


@lowers(
    "aten::reflection_pad1d_backward", "aten::reflection_pad2d_backward", "aten::reflection_pad3d_backward",
    "aten::replication_pad1d_backward", "aten::replication_pad2d_backward", "aten::replication_pad3d_backward",
)  # fmt: skip
def _mirrored_backward(call: Call) -> Lowered:
    """Each gradient is added to the element it came from: one add for each."""
    x = call.tensor("self")
    return gradient(call.builder, _padded_by_place(call), (x,), call.tensor("grad_output"), (True,))[0]
