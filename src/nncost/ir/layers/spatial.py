"""Layers over space: convolutions and pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from nncost.dims import Dim

Widths = tuple[tuple[Dim, Dim], ...]
"""Padding before and after each spatial axis."""
Extreme = Literal["average", "max"]


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution. Inputs: x (B, C, *spatial), weight (M, C/groups, *kernel) and perhaps bias (M,)."""

    strides: tuple[int, ...]
    padding: Widths
    dilations: tuple[int, ...]
    groups: Dim = 1
    name: ClassVar[str] = "conv"


@dataclass(frozen=True, slots=True)
class ConvTranspose:
    """A transposed convolution. Inputs: x (B, C, *spatial), weight (C, M/groups, *kernel) and perhaps bias (M,).

    ``crop`` is cut off the full output before and after each axis; a negative width adds zeros instead.
    """

    strides: tuple[int, ...]
    crop: Widths
    dilations: tuple[int, ...]
    groups: Dim = 1
    name: ClassVar[str] = "conv_transpose"


@dataclass(frozen=True, slots=True)
class Pool:
    """The maximum or the average of each window. Input: x (B, C, *spatial).

    Padding never wins a maximum. An average divides by the size of the kernel or, without
    ``count_padding``, by the elements of x in the window; the last ``overhang`` of the padding
    counts in neither case, and a ``divisor`` replaces both.
    """

    function: Extreme
    kernel: tuple[Dim, ...]
    strides: tuple[int, ...]
    padding: Widths
    dilations: tuple[int, ...]
    count_padding: bool = True
    overhang: tuple[Dim, ...] = ()
    divisor: float | None = None

    @property
    def name(self) -> str:
        """``maxpool`` or ``avgpool``."""
        return "maxpool" if self.function == "max" else "avgpool"


@dataclass(frozen=True, slots=True)
class GlobalPool:
    """All positions of each channel as one; ``keep`` leaves axes of size one. Input: x (B, C, *spatial)."""

    function: Extreme
    keep: bool = False

    @property
    def name(self) -> str:
        """``global_maxpool`` or ``global_avgpool``."""
        return "global_maxpool" if self.function == "max" else "global_avgpool"


@dataclass(frozen=True, slots=True)
class AdaptivePool:
    """Windows from ⌊i·n/m⌋ to ⌈(i+1)·n/m⌉, so that ``output`` positions remain. Input: x (B, C, *spatial)."""

    function: Extreme
    output: tuple[int, ...]

    @property
    def name(self) -> str:
        """``adaptive_maxpool`` or ``adaptive_avgpool``."""
        return "adaptive_maxpool" if self.function == "max" else "adaptive_avgpool"
