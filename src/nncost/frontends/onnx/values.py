"""What a name of an ONNX graph stands for while the graph is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Union

import numpy as np

from nncost.dims import Shape, is_symbolic, substitute
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.records import record

Array = Any
MAX_KNOWN = 4096
"""Elements of the largest constant whose values are followed; shapes and axes have a handful."""


class Unlowered(NotImplementedError):  # noqa: N818 - not an error: the node becomes an unknown operation
    """A node that has no lowering, or depends on values that only a run would show."""


@record(eq=False)
class Computed:
    """A tensor of the graph under construction; not ``certain`` if its shape is unknown."""

    tensor: Tensor
    certain: bool = True

    @property
    def shape(self) -> Shape:
        """The tensor's shape."""
        return self.tensor.shape

    @property
    def dtype(self) -> str:
        """The tensor's dtype."""
        return self.tensor.dtype


@record(eq=False)
class Known:
    """A small constant with its values: Python integers and symbols as objects, or float64, or bool.

    ``static`` values come only from the file; others depend on the shapes of the inputs.
    """

    values: Array
    dtype: str
    static: bool = True

    @property
    def shape(self) -> Shape:
        """The array's shape."""
        return tuple(self.values.shape)


@record(eq=False)
class FileConstant:
    """A constant of the file whose values stay there; ``learned`` ones are parameters once a layer uses them."""

    name: str
    shape: Shape
    dtype: str
    learned: bool
    read: Callable[[], Array]


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

    @property
    def learned(self) -> bool:
        """Whether it is a parameter once a layer uses it."""
        return self.constant.learned


@record(eq=False)
class Absent:
    """A value that is not a tensor of a known type; whatever reads it is unknown."""

    reason: str
    shape: Shape = ()


Value = Union[Computed, Known, Stored, Absent]


def known_integers(values: Array, *, dtype: str = "int64", static: bool = True) -> Known:
    """Integers or symbols as a constant; symbols that became numbers turn into Python integers."""
    return Known(plain(np.asarray(values, dtype=object)), dtype, static)


def plain(values: Array) -> Array:
    """Each element as a Python integer or a symbolic expression."""
    result = np.empty(values.shape, dtype=object)
    for index, value in np.ndenumerate(values):
        result[index] = int(value) if isinstance(value, (int, np.integer)) else substitute(value, {})
    return result


def has_symbols(known: Known) -> bool:
    """Whether any element is a symbol."""
    return known.values.dtype == object and any(is_symbolic(value) for value in known.values.flat)
