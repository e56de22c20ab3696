"""Normalisation layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nncost.dims import Dim


@dataclass(frozen=True, slots=True)
class BatchNorm:
    """Normalisation of each channel. Inputs: x (B, C, *spatial), scale, shift, running mean and variance (C,).

    ``momentum`` is the share of a batch in the running averages; None in inference, which uses them as they are.
    """

    epsilon: float
    momentum: float | None = None
    name: ClassVar[str] = "batchnorm"


@dataclass(frozen=True, slots=True)
class Normalise:
    """(x − mean)/√(variance + ε) over axes; without ``centre`` no mean is taken off.

    Inputs: x, then a scale and a shift if it has them.
    """

    axes: tuple[int, ...]
    epsilon: float
    scale: bool
    shift: bool
    centre: bool = True
    name: ClassVar[str] = "normalise"


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """The last ``axes`` axes normalised. Inputs: x, then a scale and a shift of their shape if it has them."""

    axes: int
    epsilon: float
    scale: bool
    shift: bool
    name: ClassVar[str] = "layernorm"


@dataclass(frozen=True, slots=True)
class RMSNorm:
    """The last axis divided by its root mean square. Inputs: x, and a scale if it has one."""

    epsilon: float
    scale: bool
    name: ClassVar[str] = "rmsnorm"


@dataclass(frozen=True, slots=True)
class GroupNorm:
    """Groups of channels normalised. Inputs: x (B, C, *spatial), then a scale and a shift (C,) if it has them.

    ``instance`` says that each channel is a group of its own.
    """

    groups: Dim
    epsilon: float
    scale: bool
    shift: bool
    instance: bool = False

    @property
    def name(self) -> str:
        """``instancenorm`` or ``groupnorm``."""
        return "instancenorm" if self.instance else "groupnorm"


@dataclass(frozen=True, slots=True)
class LocalResponseNorm:
    """x / (bias + α/size·Σx²)^β, the sum over ``size`` neighbouring channels. Input: x (B, C, *spatial)."""

    size: int
    alpha: float
    beta: float
    bias: float
    name: ClassVar[str] = "lrn"
