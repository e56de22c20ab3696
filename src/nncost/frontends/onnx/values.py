"""What a name of an ONNX graph stands for while the graph is read."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar, Union, cast

import numpy as np

from nncost.dims import Shape, is_symbolic, substitute
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.records import record

if TYPE_CHECKING:
    from nncost.frontends.onnx.folding import ConstantNode

Array = Any
Made = TypeVar("Made")
MAX_KNOWN = 4096
"""Elements of the largest constant that is followed by value from node to node; shapes and axes have a handful."""


class Unlowered(NotImplementedError):  # noqa: N818 - not an error: the node becomes an unknown operation
    """A node that has no lowering, or depends on values that only a run would show."""


@record(eq=False)
class Computed:
    """A tensor of the graph under construction; not ``certain`` if its shape is unknown.

    ``activation``: whether it depends on a float that the network is given, or on a parameter, and not on positions
    and masks only. ``source`` is what made it, which decides what an addition or a factor behind it is (see ``roles``).
    """

    tensor: Tensor
    certain: bool = True
    activation: bool = True
    source: str = ""

    @property
    def shape(self) -> Shape:
        """The tensor's shape."""
        return self.tensor.shape

    @property
    def dtype(self) -> str:
        """The tensor's dtype."""
        return self.tensor.dtype


@record(eq=False)
class FileConstant:
    """A constant of the file whose values stay there until ``read`` is called; ``elsewhere``: in another file.

    ``some`` reads the elements at flat positions only; without it they can only be read all at once.
    """

    name: str
    shape: Shape
    dtype: str
    read: Callable[[], Array]
    elsewhere: bool = False
    some: Callable[[Array], Array] | None = None


class Once:
    """What was made of messages of the file: a body that is written out often holds the same constants each time."""

    def __init__(self) -> None:
        self._made: dict[tuple[Hashable, ...], tuple[object, Any]] = {}

    def __call__(self, message: object, make: Callable[[], Made], *more: Hashable) -> Made:
        """Return what ``make`` gave for a message (and ``more`` that it depends on) when it was first asked for."""
        key = id(message), *more
        if key not in self._made:
            self._made[key] = message, make()  # The message stays, so that no other has its identity.
        return cast("Made", self._made[key][1])


@record(eq=False)
class Known:
    """A small constant with its values: an array of its type, or objects (whole numbers and symbols) if it has symbols.

    ``static`` values come only from the file; others depend on the shapes of the inputs. ``constant`` is what it is in
    the file, if it is there.
    """

    values: Array
    dtype: str
    static: bool = True
    constant: FileConstant | None = None

    @property
    def shape(self) -> Shape:
        """The array's shape."""
        return tuple(self.values.shape)


@record(eq=False)
class Stored:
    """A constant of the file, seen through reshapes and transposes."""

    constant: FileConstant
    shape: Shape
    moves: tuple[ops.Reshape | ops.Transpose, ...] = ()

    @property
    def dtype(self) -> str:
        """The constant's dtype."""
        return self.constant.dtype


@record(eq=False)
class Derived:
    """An output of a node that reads constants only: computed once it is known what it is needed for."""

    node: ConstantNode
    output: int
    shape: Shape
    dtype: str


@record(eq=False)
class Absent:
    """A value that is not a tensor of a known type; whatever reads it is unknown."""

    reason: str
    shape: Shape = ()
    dtype: str = ""


NOT_MADE = Absent("an output that its rule does not make")


@record(eq=False)
class TensorList:
    """A sequence of ONNX: so many values, each with its own shape."""

    items: tuple[Value, ...]
    dtype: str = "float32"
    shape: Shape = ()


@record(eq=False)
class Nothing:
    """An optional of ONNX without an element."""

    shape: Shape = ()
    dtype: str = ""


Value = Union[Computed, Known, Stored, Derived, Absent, TensorList, Nothing]
Constant = (Known, Stored, Derived)
"""Values that are the same at each run."""


def known_integers(values: Array, *, dtype: str = "int64", static: bool = True) -> Known:
    """Whole numbers or symbols as a constant; symbols that became numbers turn into numbers."""
    return Known(plain(np.asarray(values)), dtype, static)


def plain(values: Array) -> Array:
    """An array of numbers, or of numbers and symbols as objects where a symbol is left."""
    if values.dtype != object:
        return values
    found = [value if isinstance(value, (int, float)) else substitute(value, {}) for value in values.flat]
    if all(isinstance(value, (int, np.integer)) and -(2**63) <= value < 2**63 for value in found):
        return np.asarray(found, dtype=np.int64).reshape(values.shape)
    result = np.empty(values.shape, dtype=object)
    result.reshape(-1)[:] = found
    return result


def has_symbols(known: Known) -> bool:
    """Whether any element is a symbol."""
    return known.values.dtype == object and any(is_symbolic(value) for value in known.values.flat)
