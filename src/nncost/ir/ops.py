"""The closed vocabulary: some twenty frozen operations on tensors, without costs or frameworks.

Every interpretation (``shapes``, ``execute``, ``autodiff``, ``counting.rules``) is one exhaustive
``match`` over :data:`Op` that ends in ``assert_never``: adding an operation makes the type
checker name each place that must learn it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Union

from nncost.dims import Dim, Shape
from nncost.records import field, record

if TYPE_CHECKING:
    from nncost.ir.graph import Graph


TensorType = tuple[Shape, str]
"""A tensor's shape and dtype."""


@record
class Contract:
    """A two-operand einsum, e.g. ``Contract("bi,oi->bo")``; indices absent from the output are summed."""

    spec: str

    @property
    def terms(self) -> tuple[str, str, str]:
        """The index letters of the left operand, the right operand and the output."""
        operands, output = self.spec.split("->")
        left, right = operands.split(",")
        return left, right, output


@record
class Map:
    """An elementwise function by its name in ``scalars.py``; operands have one shape or are scalars."""

    function: str


@record
class Reduce:
    """``sum``, ``prod``, ``max`` or ``min`` over axes, which disappear."""

    function: Literal["sum", "prod", "max", "min"]
    axes: tuple[int, ...]


@record
class ArgReduce:
    """The extreme value along one axis and its int64 index: two outputs."""

    function: Literal["max", "min"]
    axis: int


@record
class Scan:
    """Cumulative ``sum``, ``prod`` or ``max`` along an axis."""

    function: Literal["sum", "prod", "max"]
    axis: int


@record
class Window:
    """A strided, dilated view over several axes at once; tap axes are appended. Never pads."""

    axes: tuple[int, ...]
    sizes: tuple[Dim, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]


@record
class Fold:
    """The adjoint of :class:`Window`: taps are added into zeros of the given lengths."""

    axes: tuple[int, ...]
    lengths: tuple[Dim, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]

    def slices(self, shape: Sequence[int]) -> list[tuple[tuple[Any, ...], tuple[slice, ...]]]:
        """Return for taps of that shape the index of each tap, and the slice of the result its values are added to."""
        rank = len(shape) - len(self.axes)
        found: list[tuple[tuple[Any, ...], tuple[slice, ...]]] = []
        for tap in itertools.product(*map(range, shape[rank:])):
            target = [slice(None)] * rank
            for axis, offset, stride, dilation in zip(self.axes, tap, self.strides, self.dilations, strict=True):
                first = offset * dilation
                target[axis] = slice(first, first + stride * (shape[axis] - 1) + 1, stride)
            found.append(((..., *tap), tuple(target)))
        return found


class Move:
    """An operation that puts elements elsewhere and computes nothing: bytes, no arithmetic."""

    __slots__ = ()


@record
class Reshape(Move):
    """The same elements in row-major order under another shape.

    ``trusted``: the two shapes have as many elements only for some values of their symbols, those that can be run.
    """

    shape: Shape
    trusted: bool = False


@record
class Transpose(Move):
    """Axes in another order: output axis ``i`` is input axis ``order[i]``."""

    order: tuple[int, ...]


@record
class Pad(Move):
    """Widths before and after each axis; negative widths crop, so that Pad is its own adjoint."""

    before: tuple[Dim, ...]
    after: tuple[Dim, ...]
    value: float = 0.0


@record
class Split(Move):
    """An axis cut into consecutive pieces, one output each; the adjoint is one :class:`Concat`."""

    axis: int
    sizes: tuple[Dim, ...]


@record
class Concat(Move):
    """Tensors joined along an axis."""

    axis: int


@record
class Stride(Move):
    """Every ``step``-th element of an axis."""

    axis: int
    step: int


@record
class Broadcast(Move):
    """Axes of size one (and missing leading axes) repeated to the given shape."""

    shape: Shape


@record
class Flip(Move):
    """Axes in reverse order."""

    axes: tuple[int, ...]


@record
class Gather:
    """Values taken by an index tensor.

    ``along=False``: whole slices of ``axis`` (an embedding), the index's axes replace it.
    ``along=True``: one element per index, which has the value's rank (``take_along_axis``) and may be smaller along other axes.
    """

    axis: int
    along: bool = False


@record
class Scatter:
    """The adjoint of :class:`Gather`: values added into zeros of ``size`` along ``axis``."""

    axis: int
    size: Dim
    along: bool = False


@record
class Sort:
    """Values in ascending order along an axis, and their int64 source index: two outputs."""

    axis: int


@record
class Random:
    """Uniform numbers in [0, 1); with a ``seed``, those that NumPy's Mersenne Twister draws from it at each run."""

    shape: Shape
    seed: int | None = field(default=None, compare=False)


@record
class Cast:
    """The same values in another type; with ``saturate`` those beyond its range become its largest or smallest one."""

    dtype: str
    saturate: bool = False


@record
class Constant:
    """``fill`` (of ``value``), ``iota`` (row-major counter), ``identity`` or an ``array``, which stays lazy.

    A ``name`` is given to a number that a run sets anew, such as the learning rate; it changes no count.
    """

    kind: Literal["fill", "iota", "identity", "array"]
    shape: Shape
    dtype: str = "float32"
    value: Any = field(default=0.0, compare=False)
    name: str = field(default="", compare=False)


@record
class Repeat:
    """A body run ``times`` times, like ``lax.scan``.

    Body inputs: ``carried`` values, ``scanned`` slices of stacked inputs, then invariant inputs.
    Body outputs: the carried values, then values to be stacked. ``reverse`` runs from the last
    slice to the first. With ``index``, sizes in the body may depend on that symbol, which runs
    from ``start``; stacked tensors of such a body are flat, one ragged piece after another.
    """

    body: Graph
    times: Dim
    carried: int
    scanned: int
    reverse: bool = False
    index: Dim | None = None
    start: Dim = 1

    @property
    def last(self) -> Dim:
        """The last value of ``index``."""
        return self.start + self.times - 1


ESTIMATED = "estimated"
"""The note of amounts that depend on the data, such as the steps of an iteration."""


@record
class Algorithm:
    """A named numerical algorithm (FFT, LU …) with outputs and counts in closed form.

    ``counts`` maps quantities to amounts; ``note`` is :data:`ESTIMATED` if the algorithm iterates.
    ``run`` computes the outputs from arrays, one or a sequence of them; without it, the algorithm can only be counted.
    """

    name: str
    outputs: tuple[TensorType, ...]
    counts: Mapping[str, Dim] = field(hash=False)
    note: str = ""
    run: Callable[..., Any] | None = field(default=None, compare=False)


@record
class Opaque:
    """An operation nncost does not know: it makes every total incomplete; ``reason`` says why, if that is known."""

    name: str
    outputs: tuple[TensorType, ...]
    reason: str = field(default="", compare=False)


AnyMove = Union[Reshape, Transpose, Pad, Split, Concat, Stride, Broadcast, Flip]
"""The subclasses of :class:`Move`, for a match that the type checker finds exhaustive."""
Op = Union[
    Contract,
    Map,
    Reduce,
    ArgReduce,
    Scan,
    Window,
    Fold,
    AnyMove,
    Gather,
    Scatter,
    Sort,
    Random,
    Cast,
    Constant,
    Repeat,
    Algorithm,
    Opaque,
]

VIEWS = (Reshape, Transpose, Broadcast, Window)
"""Operations that look at their input's elements in place."""
PIECES = (Split, Stride)
"""Operations that look at some of them."""


def operation_name(op: Op) -> str:
    """The name of a core operation in reports: ``contract``, ``add``, ``reduce``."""
    if isinstance(op, Map):
        return op.function
    if isinstance(op, (Opaque, Algorithm)):
        return op.name
    return type(op).__name__.lower()
