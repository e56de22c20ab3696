"""What regions are: one dataclass for each kind of layer, with its settings.

A composite of ``ir/library`` gives its region one of these when it is built, and gradient rules,
explanations, back ends and losses read its fields. Operands are not settings: they are the
region's inputs, in the order that each kind documents.

Here are the kinds that every network has; the others are imported when they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from nncost.ir.layers.norms import BatchNorm as BatchNorm
    from nncost.ir.layers.norms import GroupNorm as GroupNorm
    from nncost.ir.layers.norms import LayerNorm as LayerNorm
    from nncost.ir.layers.norms import LocalResponseNorm as LocalResponseNorm
    from nncost.ir.layers.norms import Normalise as Normalise
    from nncost.ir.layers.norms import RMSNorm as RMSNorm
    from nncost.ir.layers.sequences import Attention as Attention
    from nncost.ir.layers.sequences import Dropout as Dropout
    from nncost.ir.layers.sequences import Embedding as Embedding
    from nncost.ir.layers.sequences import Recurrent as Recurrent
    from nncost.ir.layers.spatial import AdaptivePool as AdaptivePool
    from nncost.ir.layers.spatial import Conv as Conv
    from nncost.ir.layers.spatial import ConvTranspose as ConvTranspose
    from nncost.ir.layers.spatial import Extreme as Extreme
    from nncost.ir.layers.spatial import GlobalPool as GlobalPool
    from nncost.ir.layers.spatial import Pool as Pool
    from nncost.ir.layers.spatial import Widths as Widths

_ELSEWHERE = {
    **dict.fromkeys(("Conv", "ConvTranspose", "Pool", "GlobalPool", "AdaptivePool", "Extreme", "Widths"), "spatial"),
    **dict.fromkeys(("BatchNorm", "Normalise", "LayerNorm", "RMSNorm", "GroupNorm", "LocalResponseNorm"), "norms"),
    **dict.fromkeys(("Attention", "Recurrent", "Embedding", "Dropout"), "sequences"),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ELSEWHERE[name]}"), name)


class Layer(Protocol):
    """Any kind of layer: a value with the name of the row that reports print for it."""

    @property
    def name(self) -> str:
        """The name of the row."""
        ...


@dataclass(frozen=True, slots=True)
class Operation:
    """A region that is no more than a named operation, such as ``residual``."""

    name: str


@dataclass(frozen=True, slots=True)
class Dense:
    """``x·weightᵀ + bias`` on the last axis. Inputs: x (…, N), weight (M, N) and perhaps bias (M,)."""

    name: ClassVar[str] = "dense"


@dataclass(frozen=True, slots=True)
class MatMul:
    """A product of matrices in another layout than :class:`Dense`; ``learned`` if one operand is a parameter."""

    learned: bool

    @property
    def name(self) -> str:
        """A product with a parameter is a dense layer."""
        return "dense" if self.learned else "matmul"


@dataclass(frozen=True, slots=True)
class Activation:
    """A function of each element by its name. Input: x.

    ``settings`` are the numbers it is written in, in the order in which its composite takes them;
    without any it has its defaults.
    """

    name: str
    settings: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Softmax:
    """Softmax over one axis, or its logarithm. Input: x."""

    axis: int
    logarithm: bool = False

    @property
    def name(self) -> str:
        """``softmax`` or ``log_softmax``."""
        return "log_softmax" if self.logarithm else "softmax"


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss by its name. Input: the network's output."""

    name: str


@dataclass(frozen=True, slots=True)
class Update:
    """One parameter's update. Inputs: the parameter, its gradient and the optimizer's states."""

    optimizer: str

    @property
    def name(self) -> str:
        """The optimizer's name."""
        return self.optimizer
