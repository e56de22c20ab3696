"""The one mutable class: a builder that emits nodes, regions and repeats into a graph."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from fractions import Fraction
from typing import Any, Self, Union, cast

from nncost.dims import Dim, Shape, exact_divide, is_symbolic, product, same_shape
from nncost.ir import ops
from nncost.ir.graph import Gradients, Graph, Item, Node, Parameter, Phase, Region, Role, Tensor, walk
from nncost.ir.layers import Layer
from nncost.ir.shapes import infer, stacked_shape

Operand = Union[Tensor, float]
Iteration = Callable[["Builder", list[Tensor], list[Tensor]], tuple[Sequence[Tensor], Sequence[Tensor]]]
"""``step(body_builder, carried, scanned) -> (carried, stacked)``: what a Repeat does once."""
Constants = dict[tuple[float, str, str], Tensor]
"""Scalar constants by value, name and type."""
Outer = tuple[list[Item], Constants]
"""The list that a builder emitted into before, and its constants."""
GradientRule = Callable[["Builder", Region, Sequence[Union[Tensor, None]], frozenset[Tensor]], Gradients]
"""``rule(builder, region, output_gradients, wanted) -> {input: gradient}`` for a composite's closed form."""


def no_gradient(
    builder: Builder, region: Region, gradients: Sequence[Tensor | None], wanted: frozenset[Tensor]
) -> Gradients:
    """Return no gradient: the rule of a region that gradients do not pass."""
    return {}


class OpenRegion:
    """A region while its items are emitted, in a ``with`` block: what a composite says about itself before it closes."""

    def __init__(
        self, builder: Builder, layer: Layer, inputs: tuple[Tensor, ...], activations: Dim, neurons: Dim, masked: Dim
    ) -> None:
        self._builder, self._layer, self._inputs = builder, layer, inputs
        self.activations, self.neurons, self.masked = activations, neurons, masked
        self.outputs: tuple[Tensor, ...] = ()
        self.saved: tuple[Tensor, ...] = ()
        self.gradient: GradientRule | None = None
        self.effects: tuple[Tensor, ...] = ()

    def returns(
        self,
        *outputs: Tensor,
        saved: Sequence[Tensor] = (),
        gradient: GradientRule | None = None,
        effects: Sequence[Tensor] = (),
    ) -> None:
        """Name the outputs, the inner tensors the gradient reads, its closed form, and tensors that outlive it."""
        self.outputs, self.saved, self.gradient, self.effects = outputs, tuple(saved), gradient, tuple(effects)

    def __enter__(self) -> Self:
        self._outer = self._builder.begin_items()
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        b = self._builder
        items = b.end_items(self._outer)
        if failed is None:
            region = Region(
                self._layer, tuple(items), self._inputs, self.outputs, b.path, b.phase,
                self.saved, self.gradient, self.effects, self.activations, self.neurons, self.masked,
            )  # fmt: skip
            b.items.append(region)


class Location:
    """The path, phase and origin that a builder emits under inside a ``with`` block, which gives the path."""

    __slots__ = ("_builder", "_inside", "_outside")

    def __init__(self, builder: Builder, inside: tuple[str, Phase, str]) -> None:
        self._builder, self._inside = builder, inside

    def __enter__(self) -> str:
        b = self._builder
        self._outside = b.path, b.phase, b.origin
        b.path, b.phase, b.origin = self._inside
        return b.path

    def __exit__(self, *_: object) -> None:
        b = self._builder
        b.path, b.phase, b.origin = self._outside


class Builder:
    """Collects items in execution order under the current path, phase and origin."""

    def __init__(
        self, *, dtype: str = "float32", training: bool = False, path: str = "", phase: Phase = "forward"
    ) -> None:
        self.dtype = dtype
        self.training = training
        self.path = path
        self.phase: Phase = phase
        self.origin = ""
        self.inputs: list[Tensor] = []
        self.parameters: list[Parameter] = []
        self.items: list[Item] = []
        self._numbers: Counter[str] = Counter()
        self._constants: Constants = {}

    # ---------------------------------------------------------------- leaves
    def input(
        self, shape: Shape, *, dtype: str | None = None, name: str = "", packed: Fraction | None = None
    ) -> Tensor:
        """A tensor the caller supplies: one batch of examples, targets, a gradient."""
        tensor = Tensor(shape, dtype or self.dtype, name, packed)
        self.inputs.append(tensor)
        return tensor

    def parameter(
        self, shape: Shape, role: Role, name: str, *, trainable: bool = True, read: Callable[[], Any] | None = None,
        dtype: str | None = None,
    ) -> Tensor:  # fmt: skip
        """A learned block (or a buffer, which is never trainable) of the current layer; ``read`` gives its values."""
        tensor = Tensor(shape, dtype or self.dtype, name)
        self.parameters.append(Parameter(tensor, role, self.path, trainable and role != "buffer", read=read))
        return tensor

    def constant(self, value: float, name: str = "") -> Tensor:
        """A scalar constant, one node per distinct value; with a ``name``, a run may give it another."""
        key = value, name, self.dtype
        if key not in self._constants:
            self._constants[key] = self.emit(ops.Constant("fill", (), self.dtype, value, name))
        return self._constants[key]

    def full(self, shape: Shape, value: Any, dtype: str) -> Tensor:
        """A constant tensor of one value."""
        return self.emit(ops.Constant("fill", shape, dtype, value))

    # ---------------------------------------------------------------- nodes
    def emit(self, op: ops.Op, *inputs: Tensor) -> Tensor:
        """Append an operation with a single output and return that output."""
        return self.emit_many(op, *inputs)[0]

    def emit_many(self, op: ops.Op, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Append an operation and return all its outputs."""
        packed = inputs[0].packed if inputs else None
        if packed is not None and not isinstance(op, (*ops.VIEWS, *ops.PIECES)):
            packed = None
        outputs = tuple([Tensor(shape, dtype, "", packed) for shape, dtype in infer(op, inputs)])
        self.items.append(Node(op, inputs, outputs, self.path, self.phase, self.origin))
        return outputs

    def begin_items(self) -> Outer:
        """Emit into a list of items of its own, which shares no constants, until :meth:`end_items` gets the result."""
        outer = self.items, self._constants
        self.items, self._constants = [], {}
        return outer

    def end_items(self, outer: Outer) -> list[Item]:
        """Go back to the list before; return the items emitted since."""
        items = self.items
        self.items, self._constants = outer
        return items

    def map(self, function: str, *operands: Operand) -> Tensor:
        """An elementwise function; numbers become constants, tensors are broadcast to one shape."""
        tensors = [x if isinstance(x, Tensor) else self.constant(x) for x in operands]
        shapes = dict.fromkeys(tensor.shape for tensor in tensors if tensor.shape)
        if len(shapes) > 1:
            shape = _common_shape(shapes)
            tensors = [self.broadcast(tensor, shape) if tensor.shape else tensor for tensor in tensors]
        return self.emit(ops.Map(function), *tensors)

    def broadcast(self, x: Tensor, shape: Shape) -> Tensor:
        """``x`` repeated to ``shape``; ``x`` itself if it has that shape."""
        return x if same_shape(x.shape, shape) else self.emit(ops.Broadcast(shape), x)

    def contract(self, spec: str, left: Tensor, right: Tensor) -> Tensor:
        """A two-operand einsum."""
        return self.emit(ops.Contract(spec), left, right)

    def reshape(self, x: Tensor, shape: Shape) -> Tensor:
        """``x`` in another shape; ``x`` itself if it has that shape."""
        return x if same_shape(x.shape, shape) else self.emit(ops.Reshape(shape), x)

    def unsqueeze(self, x: Tensor, axis: int) -> Tensor:
        """``x`` with a new axis of size one before ``axis``, which counts from the front."""
        return self.emit(ops.Reshape((*x.shape[:axis], 1, *x.shape[axis:])), x)

    def transpose(self, x: Tensor, order: Sequence[int]) -> Tensor:
        """``x`` with its axes reordered."""
        return self.emit(ops.Transpose(tuple(order)), x)

    def pad(self, x: Tensor, axis: int, before: Dim, after: Dim) -> Tensor:
        """``x`` with zeros before and after an axis, which counts from the front; negative widths crop."""
        none = (0,) * x.rank
        return self.emit(
            ops.Pad((*none[:axis], before, *none[axis + 1 :]), (*none[:axis], after, *none[axis + 1 :])), x
        )

    def split(self, x: Tensor, sizes: Sequence[Dim], axis: int) -> tuple[Tensor, ...]:
        """``x`` cut into pieces of these sizes along an axis; ``x`` itself if there is one piece only."""
        return (x,) if len(sizes) == 1 else self.emit_many(ops.Split(axis % x.rank, tuple(sizes)), x)

    def chunk(self, x: Tensor, count: int, axis: int) -> tuple[Tensor, ...]:
        """``x`` cut into equal pieces along an axis. Raise ValueError if ``count`` does not divide its size."""
        return self.split(x, (exact_divide(x.shape[axis], count),) * count, axis)

    def concat(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        """Tensors joined along an axis; a single one itself."""
        return tensors[0] if len(tensors) == 1 else self.emit(ops.Concat(axis), *tensors)

    def reduce(self, function: str, x: Tensor, axes: Sequence[int], *, keep: bool = False) -> Tensor:
        """A reduction; with ``keep`` the reduced axes stay with size one."""
        axes = tuple(axis % x.rank for axis in axes)
        reduced = self.emit(ops.Reduce(cast("Any", function), axes), x) if axes else x
        return self.reshape(reduced, kept_shape(x.shape, axes)) if keep else reduced

    def mean(self, x: Tensor, axes: Sequence[int], *, keep: bool = False) -> Tensor:
        """A sum and one division per result."""
        axes = tuple(axis % x.rank for axis in axes)
        total = self.reduce("sum", x, axes, keep=keep)
        return self.map("div", total, self.size_constant([x.shape[axis] for axis in axes]))

    def size_constant(self, dims: Sequence[Dim], factor: float = 1.0, *, inverse: bool = False) -> Tensor:
        """A scalar constant ``factor·∏dims`` (or ``factor/∏dims``), symbolic sizes and those beyond floats included."""
        numbers = product(dim for dim in dims if not is_symbolic(dim))
        value: Any = _scaled(factor, numbers, inverse)
        for dim in dims:
            if is_symbolic(dim):
                value = value / dim if inverse else value * dim
        if is_symbolic(value) and not isinstance(value, float):
            return self.full((), value, self.dtype)
        return self.constant(value)

    # ---------------------------------------------------------------- structure
    def scope(self, name: str) -> Location:
        """Everything inside belongs to the layer ``name`` of the current one."""
        return self.at(f"{self.path}.{name}" if self.path else name, self.phase, self.origin)

    def layer(self, kind: str) -> Location:
        """A scope numbered within the current one: ``dense.1``, then ``dense.2``."""
        numbered = f"{self.path}.{kind}" if self.path else kind
        self._numbers[numbered] += 1
        return self.scope(f"{kind}.{self._numbers[numbered]}")

    def at(self, path: str, phase: Phase, origin: str = "") -> Location:
        """Emit under another path, phase and origin, as backward and update do for each layer."""
        return Location(self, (path, phase, origin))

    def region(
        self, layer: Layer, *inputs: Tensor, activations: Dim = 0, neurons: Dim = 0, masked: Dim = 0
    ) -> OpenRegion:
        """The group of items that a layer is; call ``returns`` on it before it closes."""
        return OpenRegion(self, layer, inputs, activations, neurons, masked)

    def repeat(
        self,
        times: Dim,
        carried: Sequence[Tensor],
        step: Iteration,
        *,
        scanned: Sequence[Tensor] = (),
        slices: Sequence[Tensor] | None = None,
        entering: Sequence[Tensor] | None = None,
        reverse: bool = False,
        index: Dim | None = None,
        start: Dim = 1,
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Run ``step`` ``times`` times; returns the final carried values and the stacked outputs.

        Parameters made inside ``step`` are stacked, one slice per iteration; tensors of this
        builder used inside are invariant. With ``index``, ``entering`` and ``slices`` give the
        body's own input tensors, whose shapes depend on it.
        """
        body = Builder(dtype=self.dtype, training=self.training, path=self.path, phase=self.phase)
        body.origin, body._numbers = self.origin, self._numbers
        heads = list(entering or [Tensor(t.shape, t.dtype, t.name) for t in carried])
        pieces = list(slices if slices is not None else [Tensor(t.shape[1:], t.dtype, t.name) for t in scanned])
        finals, stacked = step(body, list(heads), list(pieces))
        pieces += [parameter.tensor for parameter in body.parameters]
        invariant = outer_tensors(body.items, (*finals, *stacked), {*heads, *pieces})
        inputs = (*heads, *pieces, *invariant)
        graph = Graph(inputs, (), (*finals, *stacked), tuple(body.items))
        op = ops.Repeat(graph, times, len(heads), len(pieces), reverse, index, start)
        sources = [*carried, *scanned, *(self._stack(op, p) for p in body.parameters), *invariant]
        outputs = self.emit_many(op, *sources)
        return list(outputs[: len(heads)]), list(outputs[len(heads) :])

    def _stack(self, op: ops.Repeat, parameter: Parameter) -> Tensor:
        tensor = Tensor(stacked_shape(op, parameter.tensor.shape), parameter.tensor.dtype, parameter.tensor.name)
        self.parameters.append(Parameter(tensor, parameter.role, parameter.path, parameter.trainable))
        return tensor

    def graph(self, *outputs: Tensor) -> Graph:
        """Everything built so far as an immutable graph."""
        return Graph(tuple(self.inputs), tuple(self.parameters), outputs, tuple(self.items))


def kept_shape(shape: Shape, axes: Sequence[int]) -> Shape:
    """A shape with size one along ``axes``, which count from the front: that of a reduction which keeps them."""
    return tuple(1 if axis in axes else dim for axis, dim in enumerate(shape))


def _scaled(factor: float, number: int, inverse: bool) -> float:
    """``factor·number`` or ``factor/number``; beyond the floats, a number that is counted but never run."""
    try:
        return factor / number if inverse else factor * number
    except ZeroDivisionError:  # A mean of no elements.
        return math.nan
    except OverflowError:
        return 0.0 if inverse else number


def outer_tensors(items: Sequence[Item], outputs: Sequence[Tensor], known: set[Tensor]) -> list[Tensor]:
    """Tensors that items (or outputs) use but neither produce nor know, in order of first use."""
    produced = set(known)
    found: dict[Tensor, None] = {}
    for node in walk(items):
        found.update((tensor, None) for tensor in node.inputs if tensor not in produced)
        produced.update(node.outputs)
    found.update((tensor, None) for tensor in outputs if tensor not in produced)
    return list(found)


def _common_shape(shapes: Collection[Shape]) -> Shape:
    """NumPy's broadcasting of several shapes; a size of one gives way, others must agree."""
    rank = max(len(shape) for shape in shapes)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(next((dim for dim in column if dim != 1), 1) for column in zip(*padded, strict=True))
