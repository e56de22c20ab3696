"""What regions are: one dataclass per kind of layer, with its settings.

A composite of ``ir/library`` gives its region one of these when it is built, and gradient rules,
explanations, back ends and losses read its fields. Operands are not settings: they are the
region's inputs, in the order that each kind documents.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Protocol

from nncost.dims import Dim
from nncost.records import record

Widths = tuple[tuple[Dim, Dim], ...]
"""Padding before and after each spatial axis."""
Extreme = Literal["average", "max"]


class Layer(Protocol):
    """Any kind of layer: a value with the name of the row that reports print for it."""

    @property
    def name(self) -> str:
        """The name of the row."""
        ...


@record
class Operation:
    """A region that is no more than a named operation, such as ``residual``."""

    name: str


# ------------------------------------------------------------------- products
@record
class Dense:
    """``x·weightᵀ + bias`` on the last axis. Inputs: x (…, N), weight (M, N) and perhaps bias (M,)."""

    name: ClassVar[str] = "dense"


@record
class MatMul:
    """A product of matrices in another layout than :class:`Dense`; ``learned`` if one operand is a parameter."""

    learned: bool

    @property
    def name(self) -> str:
        """A product with a parameter is a dense layer."""
        return "dense" if self.learned else "matmul"


@record
class Conv:
    """A convolution. Inputs: x (B, C, *spatial), weight (M, C/groups, *kernel) and perhaps bias (M,)."""

    strides: tuple[int, ...]
    padding: Widths
    dilations: tuple[int, ...]
    groups: Dim = 1
    name: ClassVar[str] = "conv"


@record
class ConvTranspose:
    """A transposed convolution. Inputs: x (B, C, *spatial), weight (C, M/groups, *kernel) and perhaps bias (M,).

    ``crop`` is cut off the full output before and after each axis; a negative width adds zeros instead.
    """

    strides: tuple[int, ...]
    crop: Widths
    dilations: tuple[int, ...]
    groups: Dim = 1
    name: ClassVar[str] = "conv_transpose"


@record
class Attention:
    """Scaled dot-product attention. Inputs: query (B, H, T, E), key (B, G, S, E), value (B, G, S, V), perhaps a mask.

    Without a ``scale`` it is 1/√E. A ``causal`` mask aligns the last query with the last key or,
    ``from_start``, the first with the first.
    """

    causal: bool = False
    from_start: bool = False
    scale: float | None = None
    name: ClassVar[str] = "attention"


@record
class Recurrent:
    """A recurrent layer (``rnn``, ``lstm`` or ``gru``) of H units over (B, T, F), one direction per item of ``reverse``.

    Inputs: x, then for each direction the weights (G·H, F) and (G·H, H) and as many biases (G·H,) as
    ``biases`` says (1: of the input only), then as many initial states as ``initial`` says; they are
    zero without. Outputs: the joined hidden states of all steps, each direction's final hidden state,
    then each direction's final cell state.
    """

    cell: str
    hidden: Dim
    reverse: tuple[bool, ...] = (False,)
    biases: int = 2
    initial: int = 0

    @property
    def name(self) -> str:
        """The cell's name."""
        return self.cell


@record
class Embedding:
    """Rows of a table. Inputs: the table (V, D) and the indices (…)."""

    name: ClassVar[str] = "embedding"


# ------------------------------------------------------------------- elementwise
@record
class Activation:
    """A function of each element by its name. Input: x.

    ``settings`` are the numbers it is written in, in the order in which its composite takes them;
    without any it has its defaults.
    """

    name: str
    settings: tuple[float, ...] = ()


@record
class Softmax:
    """Softmax over one axis, or its logarithm. Input: x."""

    axis: int
    logarithm: bool = False

    @property
    def name(self) -> str:
        """``softmax`` or ``log_softmax``."""
        return "log_softmax" if self.logarithm else "softmax"


@record
class Dropout:
    """Sets elements to zero with a probability and scales the rest. Input: x."""

    probability: float
    name: ClassVar[str] = "dropout"


# ------------------------------------------------------------------- pooling
@record
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


@record
class GlobalPool:
    """All positions of each channel as one; ``keep`` leaves axes of size one. Input: x (B, C, *spatial)."""

    function: Extreme
    keep: bool = False

    @property
    def name(self) -> str:
        """``global_maxpool`` or ``global_avgpool``."""
        return "global_maxpool" if self.function == "max" else "global_avgpool"


@record
class AdaptivePool:
    """Windows from ⌊i·n/m⌋ to ⌈(i+1)·n/m⌉, so that ``output`` positions remain. Input: x (B, C, *spatial)."""

    function: Extreme
    output: tuple[int, ...]

    @property
    def name(self) -> str:
        """``adaptive_maxpool`` or ``adaptive_avgpool``."""
        return "adaptive_maxpool" if self.function == "max" else "adaptive_avgpool"


# ------------------------------------------------------------------- norms
@record
class BatchNorm:
    """Normalisation of each channel. Inputs: x (B, C, *spatial), scale, shift (C,), perhaps running mean and variance (C,).

    ``momentum`` is the share of a batch in the running averages; None in inference, which uses them as they are.
    """

    epsilon: float
    momentum: float | None = None
    name: ClassVar[str] = "batchnorm"


@record
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


@record
class LayerNorm:
    """The last ``axes`` axes normalised. Inputs: x, then a scale and a shift of their shape if it has them."""

    axes: int
    epsilon: float
    scale: bool
    shift: bool
    name: ClassVar[str] = "layernorm"


@record
class RMSNorm:
    """The last axis divided by its root mean square. Inputs: x, and a scale if it has one."""

    epsilon: float
    scale: bool
    name: ClassVar[str] = "rmsnorm"


@record
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


@record
class LocalResponseNorm:
    """x / (bias + α/size·Σx²)^β, the sum over ``size`` neighbouring channels. Input: x (B, C, *spatial)."""

    size: int
    alpha: float
    beta: float
    bias: float
    name: ClassVar[str] = "lrn"


# ------------------------------------------------------------------- training
@record
class Loss:
    """A loss by its name. Input: the network's output."""

    name: str


@record
class Update:
    """One parameter's update. Inputs: the parameter, its gradient and the optimizer's states."""

    optimizer: str

    @property
    def name(self) -> str:
        """The optimizer's name."""
        return self.optimizer
