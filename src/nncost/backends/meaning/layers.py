"""The layers that frameworks have, with their operands as tensors of the graph and their settings as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Union

from nncost.ir.graph import Tensor

Widths = tuple[tuple[int, int], ...]
"""Padding before and after each spatial axis."""
Sizes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Dense:
    """``x·weightᵀ + bias`` on the last axis."""

    x: Tensor
    weight: Tensor
    bias: Tensor | None


@dataclass(frozen=True, slots=True)
class Convolution:
    """``weight`` (M, C/groups, *kernel)."""

    x: Tensor
    weight: Tensor
    bias: Tensor | None
    strides: Sizes
    padding: Widths
    dilations: Sizes
    groups: int


@dataclass(frozen=True, slots=True)
class TransposedConvolution:
    """``weight`` (C, M/groups, *kernel); ``crop`` is cut off the full output (negative: zeros behind it)."""

    x: Tensor
    weight: Tensor
    bias: Tensor | None
    strides: Sizes
    crop: Widths
    dilations: Sizes
    groups: int


@dataclass(frozen=True, slots=True)
class MaxPool:
    """The maximum of each window; padding never wins."""

    x: Tensor
    kernel: Sizes
    strides: Sizes
    padding: Widths
    dilations: Sizes


@dataclass(frozen=True, slots=True)
class AveragePool:
    """The sum of each window over ``divisor``, a number or one for each position (1, 1, *positions)."""

    x: Tensor
    kernel: Sizes
    strides: Sizes
    padding: Widths
    divisor: Any


@dataclass(frozen=True, slots=True)
class GlobalPool:
    """All positions of each channel as one; ``keep`` leaves axes of size one."""

    x: Tensor
    function: Literal["average", "max"]
    keep: bool


@dataclass(frozen=True, slots=True)
class AdaptivePool:
    """Windows from ⌊i·n/m⌋ to ⌈(i+1)·n/m⌉ so that ``output`` positions remain."""

    x: Tensor
    function: Literal["average", "max"]
    output: Sizes


@dataclass(frozen=True, slots=True)
class Softmax:
    """Over one axis, or its logarithm."""

    x: Tensor
    axis: int
    logarithm: bool


@dataclass(frozen=True, slots=True)
class Activation:
    """A function of each element by its name, with the numbers it is written in (a slope, an α)."""

    x: Tensor
    name: str
    settings: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchNorm:
    """``momentum`` is None where the running averages are used as they are."""

    x: Tensor
    scale: Tensor
    shift: Tensor
    mean: Tensor
    variance: Tensor
    epsilon: float
    momentum: float | None


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """The last ``axes`` axes normalised; without ``centre`` divided by their root mean square alone."""

    x: Tensor
    scale: Tensor | None
    shift: Tensor | None
    axes: int
    epsilon: float
    centre: bool


@dataclass(frozen=True, slots=True)
class GroupNorm:
    """``instance`` says that each channel is a group of its own."""

    x: Tensor
    groups: int
    scale: Tensor | None
    shift: Tensor | None
    epsilon: float
    instance: bool


@dataclass(frozen=True, slots=True)
class LocalResponse:
    """x / (bias + α/size·Σx²)^β over an odd number of neighbouring channels."""

    x: Tensor
    size: int
    alpha: float
    beta: float
    bias: float


@dataclass(frozen=True, slots=True)
class Embedding:
    """Rows of a table."""

    table: Tensor
    indices: Tensor


@dataclass(frozen=True, slots=True)
class Dropout:
    """Zeroes a share of its input, scales the rest."""

    x: Tensor
    probability: float


@dataclass(frozen=True, slots=True)
class Attention:
    """Scaled dot products; ``seen`` is a constant Boolean (T, S), ``causal`` where it is the lower triangle."""

    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None
    scale: float
    seen: Any
    causal: bool


@dataclass(frozen=True, slots=True)
class Direction:
    """One direction of a recurrent layer: weights (G·H, F) and (G·H, H), biases (G·H,)."""

    input: Tensor
    hidden: Tensor
    input_bias: Tensor | None
    hidden_bias: Tensor | None
    reverse: bool


@dataclass(frozen=True, slots=True)
class Recurrent:
    """``(B, T, F)`` to the joined outputs and each direction's final state, from states of zero.

    With ``cells`` the final cell states of an LSTM follow.
    """

    x: Tensor
    kind: Literal["rnn", "lstm", "gru"]
    directions: tuple[Direction, ...]
    hidden: int
    cells: bool = False


Meaning = Union[
    Dense, Convolution, TransposedConvolution, MaxPool, AveragePool, GlobalPool, AdaptivePool, Softmax, Activation,
    BatchNorm, LayerNorm, GroupNorm, LocalResponse, Embedding, Dropout, Attention, Recurrent,
]  # fmt: skip
