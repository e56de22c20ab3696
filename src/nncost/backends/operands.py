"""What both back ends ask of a layer: its operands by name, its sizes as integers, its masks and divisors as arrays."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np

from nncost.backends.constants import Constants
from nncost.dims import Dim
from nncost.ir.batch_axes import Axes
from nncost.ir.graph import Region, Tensor
from nncost.ir.layers import Activation, Attention, Pool, Recurrent, Widths
from nncost.ir.library.activations import SELU_ALPHA, SELU_SCALE
from nncost.ir.library.recurrent import CellWeights, cell_weights

Array = Any
SAME = 1e-7
"""Settings that differ by less are the same: files hold them in single precision."""
DEFAULT_SETTINGS = {"selu": (SELU_ALPHA, SELU_SCALE), "hardsigmoid": (1 / 6, 0.5)}


def operands(region: Region, count: int) -> tuple[Tensor | None, ...]:
    """Return the region's inputs, and None for each that is missing at the end."""
    return (*region.inputs, *(None,) * (count - len(region.inputs)))


def scale_and_shift(region: Region, *, scale: bool, shift: bool) -> tuple[Tensor | None, Tensor | None]:
    """Return the scale and the shift behind a norm's first input, None for one it does not have."""
    given = list(region.inputs[1:])
    return given.pop(0) if scale else None, given.pop(0) if shift else None


def integers(dims: Iterable[Dim]) -> tuple[int, ...]:
    """Return sizes as integers; symbols are refused before a layer is read."""
    return tuple(cast("int", dim) for dim in dims)


def batch_free(tensor: Tensor, axes: Axes) -> tuple[int, ...]:
    """Return a shape to reshape to, with −1 for the axis that depends on the batch."""
    free = axes.get(tensor)
    return tuple(-1 if axis == free else cast("int", dim) for axis, dim in enumerate(tensor.shape))


def widths(padding: Widths) -> tuple[tuple[int, int], ...]:
    """Return padding as integers."""
    return tuple((cast("int", low), cast("int", high)) for low, high in padding)


def has_standard_bias(region: Region) -> bool:
    """Return whether a dense layer has no bias, or one per neuron (ONNX broadcasts others)."""
    return len(region.inputs) == 2 or region.inputs[2].shape == region.inputs[1].shape[:1]


def own_settings(layer: Activation) -> tuple[float, ...]:
    """Return the activation's settings, or none if they are the ones its name stands for."""
    default = DEFAULT_SETTINGS.get(layer.name, ())
    same = len(default) == len(layer.settings) and all(
        math.isclose(one, other, rel_tol=SAME) for one, other in zip(default, layer.settings, strict=True)
    )
    return () if same else layer.settings


def divisor(region: Region) -> float | Array:
    """Return what an average divides by: one number, or one per position (1, 1, *positions)."""
    layer, spatial = region.settings(Pool), integers(region.inputs[0].shape[2:])
    kernel = integers(layer.kernel)
    if layer.divisor is not None:
        return layer.divisor
    if layer.count_padding and not any(layer.overhang):
        return float(math.prod(kernel))
    counts = np.ones((1, 1))
    overhang = integers(layer.overhang) or (0,) * len(kernel)
    for axis, (low, high) in enumerate(widths(layer.padding)):
        starts = np.arange(0, spatial[axis] + low + high - kernel[axis] + 1, layer.strides[axis]) - low
        first, last = (-low, spatial[axis] + high - overhang[axis]) if layer.count_padding else (0, spatial[axis])
        held = np.minimum(starts + kernel[axis], last) - np.maximum(starts, first)
        counts = np.multiply.outer(counts, held)
    return counts


def attention_scale(region: Region) -> float:
    """Return the factor of each score; 1/√E if the layer names none."""
    scale = region.settings(Attention).scale
    return 1 / math.sqrt(cast("int", region.inputs[0].shape[3])) if scale is None else scale


def causal_mask(region: Region) -> Array | None:
    """Return which key (S) each query (T) may see, or None without a causal mask."""
    layer, (rows, columns) = region.settings(Attention), integers(x.shape[2] for x in region.inputs[:2])
    return np.tri(rows, columns, 0 if layer.from_start else columns - rows, dtype=bool) if layer.causal else None


def recurrent_weights(region: Region, constants: Constants) -> Sequence[CellWeights] | None:
    """Return each direction's weights, or None for a layer whose initial states are not zero."""
    states = region.inputs[len(region.inputs) - region.settings(Recurrent).initial :]
    values = [constants.value(state) for state in states]
    if any(value is None or value.any() for value in values):
        return None
    return cell_weights(region)
