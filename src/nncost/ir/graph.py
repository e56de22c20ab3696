"""Tensors, nodes, regions and graphs: plain immutable data.

A graph is a tree of items in execution order: a :class:`Node` is one core operation, a
:class:`Region` is the group of items that one layer is (softmax, a whole convolution).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal, TypeVar, Union

from nncost.dims import Dim, Shape, ceil_divide, product
from nncost.ir.dtypes import BITS_PER_BYTE, bytes_of
from nncost.ir.layers import Layer
from nncost.ir.ops import Op
from nncost.records import record

Phase = Literal["forward", "loss", "backward", "update"]
PHASES: tuple[Phase, ...] = ("forward", "loss", "backward", "update")
Role = Literal["weight", "bias", "other", "buffer"]


@record(eq=False)
class Tensor:
    """A value with a shape and a dtype; two tensors are equal only if they are the same one.

    ``packed`` are the bits that one number takes where it lies in fewer than those of its dtype, scales included.
    """

    shape: Shape
    dtype: str = "float32"
    name: str = ""
    packed: Fraction | None = None

    @property
    def elements(self) -> Dim:
        """The number of elements."""
        return product(self.shape)

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def bytes(self) -> Dim:
        """The bytes of all elements."""
        return self.bytes_of(product(self.shape))

    def bytes_of(self, elements: Dim) -> Dim:
        """The bytes of so many of its elements."""
        if self.packed is None:
            return bytes_of(elements, self.dtype)
        return ceil_divide(elements * self.packed.numerator, self.packed.denominator * BITS_PER_BYTE)


@record(eq=False)
class Parameter:
    """A learned number block (or a buffer), the layer it belongs to and what it does there.

    ``stored_bytes`` is what it takes in the file it was read from; None if no file was read. ``packed_bytes`` is what
    it takes in memory if that is not an element of its type for each of its numbers, ``own_gradient_bytes`` what its
    gradient takes if that is not what the number of its elements says. ``read`` reads the values that
    its file holds, an array of its shape; None if they are elsewhere.
    """

    tensor: Tensor
    role: Role
    path: str
    trainable: bool = True
    stored_bytes: int | None = None
    packed_bytes: int | None = None
    own_gradient_bytes: int | None = None
    read: Callable[[], Any] | None = None

    @property
    def name(self) -> str:
        """The path of its layer and its own name there."""
        return f"{self.path}.{self.tensor.name}".strip(".")

    @property
    def bytes(self) -> Dim:
        """The bytes in its file, or those it takes in memory."""
        if self.stored_bytes is not None:
            return self.stored_bytes
        return self.tensor.bytes if self.packed_bytes is None else self.packed_bytes

    @property
    def gradient_bytes(self) -> Dim:
        """The bytes of its gradient."""
        return self.tensor.bytes if self.own_gradient_bytes is None else self.own_gradient_bytes


@record(eq=False)
class Node:
    """One core operation with the layer it belongs to, its phase and where it came from."""

    op: Op
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    path: str
    phase: Phase
    origin: str = ""


Gradients = Mapping[Tensor, Tensor]
"""Gradients by the tensor that they are of."""
Kind = TypeVar("Kind")


@record(eq=False)
class Region:
    """A group of items that reports show as one row: a ``layer`` with its settings.

    ``saved`` are inner tensors that ``gradient`` reads; without ``gradient`` the inside is
    differentiated; it is a :data:`~nncost.ir.builder.GradientRule`. ``effects`` are inner tensors that outlive the region, such as running averages.
    ``activations``, ``neurons`` and ``masked`` (products for scores that a causal mask hides) are what
    the region adds to those counts.
    """

    layer: Layer
    items: tuple[Item, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    path: str
    phase: Phase
    saved: tuple[Tensor, ...] = ()
    gradient: Callable[..., Gradients] | None = None
    effects: tuple[Tensor, ...] = ()
    activations: Dim = 0
    neurons: Dim = 0
    masked: Dim = 0

    def settings(self, kind: type[Kind]) -> Kind:
        """Return the layer as one of its kind. Raise TypeError for a region of another kind."""
        layer: Any = self.layer
        if not isinstance(layer, kind):
            raise TypeError(f"{self.path}: {self.layer.name} is no {kind.__name__}")
        return layer


Item = Union[Node, Region]


@record(eq=False)
class Graph:
    """Items in execution order with the graph's inputs, parameters and outputs."""

    inputs: tuple[Tensor, ...]
    parameters: tuple[Parameter, ...]
    outputs: tuple[Tensor, ...]
    items: tuple[Item, ...]

    def nodes(self) -> Iterator[Node]:
        """The core operations in execution order; bodies of Repeat are not entered."""
        return walk(self.items)


def walk(items: Sequence[Item]) -> Iterator[Node]:
    """The nodes of items in execution order, regions opened."""
    for item in items:
        if isinstance(item, Region):
            yield from walk(item.items)
        else:
            yield item
