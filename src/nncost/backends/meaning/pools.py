"""Pooling layers."""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np

from nncost.backends.meaning.constants import Constants
from nncost.backends.meaning.layers import AdaptivePool, AveragePool, GlobalPool, MaxPool
from nncost.backends.meaning.nodes import first, integers, mapped, nodes_of, widths
from nncost.ir import ops
from nncost.ir.graph import Region


def max_pool(region: Region, constants: Constants) -> MaxPool | None:
    """Windows over a padding of −∞ and the largest tap of each."""
    nodes, x = nodes_of(region), region.inputs[0]
    window = first(nodes, ops.Window)
    if window is None:
        return None
    padding = widths(first(nodes, ops.Pad), x.rank - 2)
    return MaxPool(x, integers(window.sizes), window.strides, padding, window.dilations)


def average_pool(region: Region, constants: Constants) -> AveragePool | None:
    """Sums of windows over a number, or over the elements counted at each position."""
    nodes, x = nodes_of(region), region.inputs[0]
    window = next((node for node in nodes if isinstance(node.op, ops.Window)), None)
    if window is None or not isinstance(window.op, ops.Window):
        return None
    pad = constants.producers.get(window.inputs[0])
    padding = widths(pad.op if pad is not None and isinstance(pad.op, ops.Pad) and pad in nodes else None, x.rank - 2)
    divisor = _divisor(region, constants)
    return None if divisor is None else AveragePool(x, integers(window.op.sizes), window.op.strides, padding, divisor)


def _divisor(region: Region, constants: Constants) -> object:
    """The number under every sum, or the counts (1, 1, *positions)."""
    divisions = mapped(nodes_of(region), "div")
    if len(divisions) != 1:
        return None
    below = divisions[0].inputs[1]
    if not below.rank:
        return constants.number(below)
    spread = constants.producers.get(below)
    if spread is not None and isinstance(spread.op, ops.Broadcast):
        below = spread.inputs[0]
    return constants.value(below) if below.shape[0] == 1 else None


def inside_counts(pool: AveragePool) -> Any:
    """How many elements of the input, padding left out, each window holds: (1, 1, *positions)."""
    counts = np.ones((1, 1))
    for size, (low, high), kernel, stride in zip(
        pool.x.shape[2:], pool.padding, pool.kernel, pool.strides, strict=True
    ):
        length = cast("int", size)
        starts = np.arange(0, length + low + high - kernel + 1, stride) - low
        held = np.minimum(starts + kernel, length) - np.maximum(starts, 0)
        counts = np.multiply.outer(counts, held)
    return counts


def global_pool(region: Region, constants: Constants) -> GlobalPool:
    """All positions of a channel together."""
    function: Literal["average", "max"] = "max" if region.layer.name == "global_maxpool" else "average"
    return GlobalPool(region.inputs[0], function, region.outputs[0].rank > 2)


def adaptive_pool(region: Region, constants: Constants) -> AdaptivePool:
    """Windows that are not all alike."""
    function: Literal["average", "max"] = "max" if "max" in region.layer.name else "average"
    return AdaptivePool(region.inputs[0], function, integers(region.outputs[0].shape[2:]))
