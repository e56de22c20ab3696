"""One node while it is lowered: its operands as values, tensors or numbers, its attributes, its opset."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, cast

from nncost.dims import Dim, Shape, is_symbolic, same
from nncost.errors import ShapeError, SourceError
from nncost.frontends.onnx.attributes import Attributes
from nncost.frontends.onnx.constants import Types
from nncost.frontends.onnx.values import (
    Absent,
    Array,
    Computed,
    Constant,
    Known,
    Nothing,
    Once,
    Stored,
    TensorList,
    Unlowered,
    Value,
)
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.evaluate import NoValueError
from nncost.ir.graph import Role, Tensor
from nncost.units import counted

if TYPE_CHECKING:
    from nncost.frontends.onnx.lowering import Lower
    from nncost.frontends.onnx.tensors import Tensors


class Walk(Protocol):
    """What a lowering needs to know of the walk over the file's nodes.

    ``batch_was`` is the file's number of examples if the caller replaced it by ``batch_is``, else None; the keys of
    ``notes`` are printed with the report. ``trusting``: sizes that may be equal are taken to be. ``bounded``: some size
    is the largest that data may decide, so that what does not fit is not the file's mistake. ``iterations``: how often
    the body that is being written out is written out in all; ``written``: iterations of the outermost loop here and of
    those inside it that were written out, None outside of loops. ``once`` makes what stands for a message of the file.
    """

    types: Types
    file: str
    batch_was: int | None
    batch_is: Dim
    trusting: bool
    notes: dict[str, None]
    bounded: bool
    iterations: int
    once: Once
    written: int | None

    @property
    def tensors(self) -> Tensors:
        """The tensors that values become at this place."""

    @property
    def builder(self) -> Builder:
        """The builder that emits at this place."""

    def scratch(self) -> Tensors:
        """Tensors of a builder in which nothing was emitted yet, to compute constants in."""

    def lowered_in(self, tensors: Tensors, lower: Lower, call: Call) -> list[Value]:
        """The outputs of a node under its lowering, emitted elsewhere."""

    def emitting(self, tensors: Tensors) -> AbstractContextManager[None]:
        """Let nodes be emitted elsewhere for a while."""

    def take_back(self, before: int) -> None:
        """Drop what was emitted after the first ``before`` items for a try that failed."""

    def lowered(self, lower: Lower, call: Call) -> list[Value]:
        """The outputs of a node under its lowering."""

    def known_values(self, value: Value) -> Array:
        """The values of a constant, or of what the caller's own arrays decide. Raise NoValueError without any."""

    def named_size(self, name: str) -> Dim:
        """A symbol that the walk itself makes, or the number that the caller binds its name to."""

    def trust(self, shape: Shape, wanted: Shape) -> None:
        """Note that a shape is taken for another, which it is for some values of its symbols only."""

    def named(self, name: str) -> Value:
        """What a name of the graph at this place stands for."""

    def is_used(self, name: str) -> bool:
        """Whether something reads a name of the graph at this place."""

    def run_graph(self, graph: Any, values: Sequence[Value], name: str) -> list[Value]:
        """Translate a body with these inputs, in the scope of the node that holds it; its outputs."""

    def kind_of(self, node: Any) -> str:
        """A node's operation, with its domain unless that is the default one."""

    def output_shapes(self, node: Any) -> list[Shape | None]:
        """The shape of each output that the file states."""


class Call:
    """A node of the graph with its operands; ``opset`` is the version its operation is defined by."""

    def __init__(self, walk: Walk, node: Any, values: list[Value | None], opset: int) -> None:
        self.walk = walk
        self.node = node
        self.values = values
        self.opset = opset
        self.attributes = Attributes(node)

    @property
    def builder(self) -> Builder:
        """The builder that emits at this place."""
        return self.walk.builder

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
        """The shape of each output that the file states."""
        return self.walk.output_shapes(self.node)

    def wants(self, output: int) -> bool:
        """Whether the file names an output, and something reads it."""
        return output < len(self.node.output) and self.walk.is_used(self.node.output[output])

    def note(self, text: str) -> None:
        """Tell a reader something about the file."""
        self.walk.notes[text] = None

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
        if isinstance(value, (TensorList, Nothing)):
            raise Unlowered(f"operand {position + 1} is a sequence or an optional without an element")
        return value

    def tensor(self, position: int, role: Role | None = None) -> Tensor:
        """A required operand as a tensor; with a ``role`` a constant of the file becomes a parameter."""
        value = self.value(position)
        tensors = self.walk.tensors
        return tensors.of(value, role or tensors.inheriting(value))

    def constant(self, position: int) -> Tensor:
        """A required operand as a tensor that is never a parameter: a scale, a mask, a state."""
        return self.walk.tensors.of(self.value(position), None)

    def optional(self, position: int, role: Role | None = None) -> Tensor | None:
        """An operand as a tensor, or None."""
        return self.tensor(position, role) if self.has(position) else None

    def ranked(self, position: int, least: int, most: int, role: Role | None = None) -> Tensor:
        """An operand with a number of axes in the given range. Raise ShapeError for any other."""
        rank = len(self.value(position).shape)
        if not least <= rank <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise ShapeError(f"operand {position + 1} must have {wanted} axes, received {rank}.")
        return self.tensor(position, role)

    def is_constant(self, position: int) -> bool:
        """Whether an operand is the same at each run."""
        return self.has(position) and isinstance(self.values[position], Constant)

    def array(self, position: int) -> Array:
        """The values of an operand, known before any run. Raise Unlowered for those that data decide."""
        try:
            return self.walk.known_values(self.value(position))
        except NoValueError:
            raise Unlowered(f"its operand {position + 1} is computed from data") from None

    def integers(self, position: int) -> list[Dim]:
        """The whole numbers of an operand that is known before any run. Raise Unlowered for any other."""
        if "float" in self.value(position).dtype or len(self.value(position).shape) > 1:
            raise Unlowered(f"its operand {position + 1} is no list of whole numbers")
        return cast("list[Dim]", self.array(position).reshape(-1).tolist())

    def numbers(self, position: int) -> list[int]:
        """Known integers without symbols: axes, pads, splits."""
        integers = self.integers(position)
        if any(is_symbolic(item) for item in integers):
            raise Unlowered(f"its operand {position + 1} is a symbol")
        return cast("list[int]", integers)

    def scalar(self, position: int) -> float | None:
        """The number in an operand of one element; None if it is not known."""
        value = self.value(position)
        if any(dim != 1 for dim in value.shape):
            return None
        try:
            number = self.walk.known_values(value).reshape(-1)[0]
            return float(number)
        except (NoValueError, TypeError):
            return None

    def only(self, position: int, default: Any) -> Any:
        """The number in an operand, or the default if it is not given. Raise Unlowered for one that data decide."""
        if not self.has(position):
            return default
        values = self.array(position).reshape(-1).tolist()
        if len(values) != 1:
            raise ShapeError(f"operand {position + 1} must have one element, received {len(values)}.")
        return values[0]

    def integers_at(self, position: int, name: str, since: int) -> list[int] | None:
        """Integers that are an attribute before an opset and an operand from it on; None if they are not given."""
        if self.opset < since:
            return self.attributes.integers(name)
        return self.numbers(position) if self.has(position) else None

    def with_new_batch(self, shape: Shape, sizes: list[Dim]) -> list[Dim]:
        """Sizes that the file states for a tensor of that shape: where they start with a batch that was replaced, the new one."""
        was, now = self.walk.batch_was, self.walk.batch_is
        if was is None or not sizes or not shape or sizes[0] != was or not same(shape[0], now):
            return sizes
        self.note(f"Shapes in the file that start with its batch size {was} were read as the batch.")
        return [now, *sizes[1:]]

    def sequence(self, position: int) -> TensorList:
        """A required operand that is a sequence. Raise Unlowered for any other."""
        value = self.values[position] if position < len(self.values) else None
        if not isinstance(value, TensorList):
            reason = value.reason if isinstance(value, Absent) else "it is no sequence"
            raise Unlowered(f"its operand {position + 1}: {reason}")
        return value

    # ---------------------------------------------------------------- moves that keep constants lazy
    def reshaped(self, value: Value, shape: Shape) -> Value:
        """A value in another shape: values and stored constants stay what they are."""
        if isinstance(value, Stored):
            return Stored(value.constant, shape, (*value.moves, ops.Reshape(shape)))
        if isinstance(value, Known) and all(isinstance(dim, int) for dim in shape):
            return Known(value.values.reshape(shape), value.dtype, value.static)
        return self.like(value, self.builder.reshape(self.walk.tensors.of(value, self._role(value)), shape))

    def transposed(self, value: Value, order: tuple[int, ...], role: Role | None = None) -> Value:
        """A value with its axes reordered; a constant that nodes compute is computed for this ``role``."""
        if isinstance(value, Stored):
            shape = tuple(value.shape[axis] for axis in order)
            return Stored(value.constant, shape, (*value.moves, ops.Transpose(order)))
        if isinstance(value, Known):
            return Known(value.values.transpose(order), value.dtype, value.static)
        tensor = self.walk.tensors.of(value, role or self._role(value))
        return self.like(value, self.builder.transpose(tensor, order))

    def _role(self, value: Value) -> Role | None:
        return self.walk.tensors.inheriting(value)

    def like(self, value: Value, tensor: Tensor) -> Computed:
        """A tensor with the elements of a value: it comes from the same source."""
        source = value.source if isinstance(value, Computed) else ""
        return Computed(tensor, activation=isinstance(value, Computed) and value.activation, source=source)

    # ---------------------------------------------------------------- checks
    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the front. Raise ShapeError if there is no such axis."""
        if not -rank <= axis < rank:
            raise ShapeError(f"there is no axis {axis} in {counted(rank, 'axis', 'axes')}.")
        return axis % rank

    def axes(self, axes: Sequence[int], rank: int) -> tuple[int, ...]:
        """Distinct axes counted from the front."""
        found = tuple(self.axis(axis, rank) for axis in axes)
        if len(set(found)) != len(found):
            raise ShapeError(f"the axes {list(axes)} name one axis twice.")
        return found
