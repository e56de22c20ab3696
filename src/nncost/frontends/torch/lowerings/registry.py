"""The lowerings of PyTorch operators, from a call to composites and core operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Union

from nncost.dims import Dim, Shape, product
from nncost.frontends.lowering import TORCH
from nncost.ir.builder import Builder
from nncost.ir.graph import Tensor
from nncost.ir.ops import TensorType

Lowered = Union[Tensor, None, Sequence[Union[Tensor, None]]]
Lowering = Callable[["Call"], Lowered]


class Call:
    """One call of an operator: its arguments by the names of its schema, its outputs' shapes and types.

    Tensors are graph tensors; everything else is as it was given. A lowering emits into
    ``builder`` and returns the tensors that stand for the outputs. ``stored`` says how many values each
    sparse tensor holds, None if that is not known.
    """

    __slots__ = ("arguments", "builder", "name", "outputs", "overload", "parameters", "stored")

    def __init__(
        self,
        builder: Builder,
        name: str,
        overload: str,
        arguments: Mapping[str, Any],
        outputs: tuple[TensorType, ...],
        parameters: frozenset[Tensor],
        stored: Mapping[Tensor, int | None] | None = None,
    ) -> None:
        self.builder, self.name, self.overload = builder, name, overload
        self.arguments, self.outputs, self.parameters = arguments, outputs, parameters
        self.stored: Mapping[Tensor, int | None] = stored or {}

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def get(self, name: str, default: Any = None) -> Any:
        """An argument, or the default if it was not given."""
        value = self.arguments.get(name)
        return default if value is None else value

    def tensor(self, name: str) -> Tensor:
        """An argument that must be a tensor of the graph."""
        value = self.arguments[name]
        if not isinstance(value, Tensor):
            raise TypeError(f"{self.name}: {name} is {value!r}, not a tensor")
        return value

    @property
    def output_shapes(self) -> list[Shape | None]:
        """The shapes of the outputs."""
        return [shape for shape, _ in self.outputs]

    @property
    def shape(self) -> Shape:
        """The shape of the first output."""
        return self.outputs[0][0]

    @property
    def elements(self) -> Dim:
        """The number of elements of the first output."""
        return product(self.shape)

    @property
    def dtype(self) -> str:
        """The type of the first output."""
        return self.outputs[0][1]


def lowers(*names: str) -> Callable[[Lowering], Lowering]:
    """Register how an operator is counted, by its name ``"namespace::operator"``; an overload goes before the plain name."""
    return TORCH.register(names)


def lowering_for(name: str, overload: str) -> Lowering | None:
    """Return the lowering of an operator, or None."""
    return TORCH.find(f"{name}.{overload}", name)


def revision() -> int:
    """Return how many registrations there have been."""
    return TORCH.revision
