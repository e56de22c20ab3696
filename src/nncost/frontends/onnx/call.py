"""One node while it is lowered: its operands as values, tensors or numbers, its attributes, its opset."""

from __future__ import annotations

from typing import Any, Protocol, cast

import numpy as np

from nncost.dims import Dim, Shape, is_symbolic, product
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.attributes import Attributes
from nncost.frontends.onnx.values import (
    MAX_KNOWN,
    Absent,
    Computed,
    Known,
    Stored,
    Unlowered,
    Value,
    has_symbols,
)
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.graph import Role, Tensor
from nncost.units import counted


class Walk(Protocol):
    """What a lowering needs to know of the walk over the file's nodes.

    ``batch_was`` is the file's number of examples if the caller replaced it by ``batch_is``, else None; the keys of
    ``notes`` are printed with the report.
    """

    builder: Builder
    batch_was: int | None
    batch_is: Dim
    notes: dict[str, None]

    def tensor(self, value: Value, role: Role) -> Tensor:
        """A value as a tensor of the graph; a learned constant becomes a parameter of the current layer."""

    def kind_of(self, node: Any) -> str:
        """A node's operation, with its domain unless that is the default one."""

    def output_shapes(self, node: Any) -> list[Shape | None]:
        """The shape of each output that ONNX's own inference finds or the file states."""


class Call:
    """A node of the graph with its operands; ``opset`` is the version its operation is defined by."""

    def __init__(self, walk: Walk, node: Any, values: list[Value | None], opset: int) -> None:
        self.walk = walk
        self.builder = walk.builder
        self.node = node
        self.values = values
        self.opset = opset
        self.attributes = Attributes(node)

    @property
    def name(self) -> str:
        """The operation, with its domain unless that is the default one."""
        return self.walk.kind_of(self.node)

    @property
    def arguments(self) -> list[str]:
        """What a lowering can read: operands by position, attributes by name."""
        return [*(f"operand {i}" for i in range(len(self.values))), *(item.name for item in self.node.attribute)]

    @property
    def output_shapes(self) -> list[Shape | None]:
        """The shape of each output that ONNX's own inference finds or the file states."""
        return self.walk.output_shapes(self.node)

    # ---------------------------------------------------------------- operands
    def has(self, position: int) -> bool:
        """Whether an optional operand is given."""
        return position < len(self.values) and self.values[position] is not None

    def value(self, position: int) -> Value:
        """A required operand. Raise SourceError if it is missing, Unlowered if it is not a tensor."""
        value = self.values[position] if position < len(self.values) else None
        if value is None:
            raise SourceError(f"its operand {position + 1} is missing.")
        if isinstance(value, Absent):
            raise Unlowered(value.reason)
        return value

    def tensor(self, position: int, role: Role = "other") -> Tensor:
        """A required operand as a tensor; a stored float becomes a parameter of that role."""
        return self.walk.tensor(self.value(position), role)

    def optional(self, position: int, role: Role = "other") -> Tensor | None:
        """An operand as a tensor, or None."""
        return self.tensor(position, role) if self.has(position) else None

    def ranked(self, position: int, least: int, most: int, role: Role = "other") -> Tensor:
        """An operand with a number of axes in the given range. Raise ShapeError for any other."""
        rank = len(self.value(position).shape)
        if not least <= rank <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise ShapeError(f"operand {position + 1} must have {wanted} axes, received {rank}.")
        return self.tensor(position, role)

    def integers(self, position: int) -> list[Dim]:
        """The integers of an operand that is known before any run. Raise Unlowered for any other."""
        value = self.value(position)
        if not isinstance(value, Known) or "float" in value.dtype or value.values.ndim > 1:
            raise Unlowered(f"operand {position + 1} is computed from data")
        return cast("list[Dim]", value.values.reshape(-1).tolist())

    def numbers(self, position: int) -> list[int]:
        """Known integers without symbols: axes, pads, splits."""
        integers = self.integers(position)
        if any(is_symbolic(item) for item in integers):
            raise Unlowered(f"operand {position + 1} is a symbol")
        return cast("list[int]", integers)

    def scalar(self, position: int) -> float | None:
        """The number in an operand of one element; None if it is not known."""
        value = self.value(position)
        if isinstance(value, Stored) and all(dim == 1 for dim in value.shape):
            return float(np.asarray(value.constant.read()).reshape(-1)[0])
        if isinstance(value, Known) and value.values.size == 1 and not has_symbols(value):
            return float(value.values.reshape(-1)[0])
        return None

    def known(self) -> list[Known] | None:
        """All operands by value if each one is known and small, else None."""
        known = [value for value in self.values if isinstance(value, Known)]
        return known if known and len(known) == len(self.values) else None

    def integers_at(self, position: int, name: str, since: int) -> list[int] | None:
        """Integers that are an attribute before an opset and an operand from it on; None if they are not given."""
        if self.opset < since:
            return self.attributes.integers(name)
        return self.numbers(position) if self.has(position) else None

    # ---------------------------------------------------------------- moves that keep constants lazy
    def reshaped(self, value: Value, shape: Shape) -> Value:
        """A value in another shape: values and stored constants stay what they are."""
        if isinstance(value, Stored):
            return Stored(value.constant, shape, (*value.moves, ops.Reshape(shape)))
        if isinstance(value, Known) and all(isinstance(dim, int) for dim in shape):
            return Known(value.values.reshape(shape), value.dtype, value.static)
        return Computed(self.builder.reshape(self.walk.tensor(value, "other"), shape))

    def transposed(self, value: Value, order: tuple[int, ...]) -> Value:
        """A value with its axes reordered."""
        if isinstance(value, Stored):
            shape = tuple(value.shape[axis] for axis in order)
            return Stored(value.constant, shape, (*value.moves, ops.Transpose(order)))
        if isinstance(value, Known):
            return Known(value.values.transpose(order), value.dtype, value.static)
        return Computed(self.builder.transpose(self.walk.tensor(value, "other"), order))

    # ---------------------------------------------------------------- checks
    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the front. Raise ShapeError if there is no such axis."""
        if not -rank <= axis < rank:
            raise ShapeError(f"there is no axis {axis} in {counted(rank, 'axis', 'axes')}.")
        return axis % rank

    def axes(self, axes: list[int], rank: int) -> tuple[int, ...]:
        """Distinct axes counted from the front."""
        found = tuple(self.axis(axis, rank) for axis in axes)
        if len(set(found)) != len(found):
            raise ShapeError(f"the axes {axes} name one axis twice.")
        return found


def small(shape: Shape) -> bool:
    """Whether a constant of this shape may be followed by value."""
    return not any(map(is_symbolic, shape)) and cast("int", product(shape)) <= MAX_KNOWN
