"""What depends on constants only is computed by our own executor while the file is read, or put off until it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nncost.dims import Shape, is_symbolic, product
from nncost.frontends.onnx.constants import SIZES
from nncost.frontends.onnx.tensors import Tensors
from nncost.frontends.onnx.values import MAX_KNOWN, NOT_MADE, Array, Computed, Derived, Known, Value, known_integers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.evaluate import NoValueError, Values
from nncost.ir.graph import Tensor, walk
from nncost.ir.numpy_types import numpy_dtype
from nncost.records import record

if TYPE_CHECKING:
    from nncost.frontends.onnx.call import Call, Walk
    from nncost.frontends.onnx.lowering import Lower


@record(eq=False)
class ConstantNode:
    """A node that reads constants only, with what lowers it; ``path`` is the layer it belongs to."""

    walk: Walk
    lower: Lower
    call: Call
    path: str

    def emitted(self, tensors: Tensors) -> Sequence[Tensor]:
        """Return its outputs as tensors of a builder; its constants are needed for what its results are needed for."""
        with self.walk.emitting(tensors), tensors.builder.at(self.path, tensors.builder.phase, tensors.builder.origin):
            made = self.walk.lowered(self.lower, self.call)
            return [tensors.builder.constant(0.0) if v is NOT_MADE else tensors.of(v, tensors.inherited) for v in made]


def constant_outputs(node: ConstantNode, operands: Sequence[Value]) -> list[Value] | None:
    """Return the outputs of a node on constants; None for random ones.

    Small whole numbers and single floats are known by value, everything else is put off, as it may be learned.
    """
    scratch = node.walk.scratch()
    outputs = node.walk.lowered_in(scratch, node.lower, node.call)
    items = scratch.builder.items
    if not items:
        return outputs
    if any(isinstance(each.op, (ops.Random, ops.Opaque)) for each in walk(items)):
        return None
    known = all(isinstance(value, Known) for value in operands)
    static = known and all(value.static for value in operands if isinstance(value, Known))
    values = Values()
    values.add(items)
    return [_constant(node, n, value, values, known=known, static=static) for n, value in enumerate(outputs)]


def _constant(node: ConstantNode, output: int, value: Value, values: Values, *, known: bool, static: bool) -> Value:
    if not isinstance(value, Computed):
        return value
    tensor = value.tensor
    if known and is_small(tensor.shape) and (tensor.dtype in SIZES or not tensor.shape):
        try:
            return known_value(values.of(tensor), tensor.dtype, static=static)
        except NoValueError:
            pass
    return Derived(node, output, tensor.shape, tensor.dtype)


def known_value(array: Array, dtype: str, *, static: bool = True) -> Known:
    """An array that was computed, in its declared type unless it holds symbols."""
    if array.dtype == object:
        return known_integers(array, dtype=dtype, static=static)
    return Known(array.astype(numpy_dtype(dtype), copy=False), dtype, static)


def value_of(walk_: Walk, value: Value) -> Array:
    """Return the values of a constant, which are computed if need be. Raise NoValueError if nothing tells them."""
    if isinstance(value, Known):
        return value.values
    scratch = Tensors(Builder(dtype=walk_.builder.dtype), parameters=False)
    with walk_.emitting(scratch):
        tensor = scratch.of(value, None)
    values = Values()
    values.add(scratch.builder.items)
    return values.of(tensor)


def is_small(shape: Shape) -> bool:
    """Whether a constant of this shape may be followed by value."""
    return not any(map(is_symbolic, shape)) and int(product(shape)) <= MAX_KNOWN
