"""Reverse-mode differentiation, graph → graph.

One table of gradients (:func:`_vjp`) in the same vocabulary, so every other interpretation
applies to them. A gradient nobody asked for is not computed; a tensor with n consumers adds its
n gradients with n−1 additions; a composite's own closed form is used if it has one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import assert_never

from nncost.dims import Dim, Shape, same_shape
from nncost.ir import ops
from nncost.ir.builder import Builder, kept_shape, no_gradient
from nncost.ir.graph import Item, Node, Region, Tensor
from nncost.ir.layers import Operation
from nncost.ir.scalars import SCALARS
from nncost.records import replace

PEELED = "peeled"
"""The origin of moves that only take a stack apart or put it together: views, not copies."""


class Tape:
    """The gradients gathered so far; several for one tensor are added when it is asked for."""

    def __init__(self, builder: Builder, active: set[Tensor], paths: Mapping[Tensor, str]) -> None:
        self.builder = builder
        self.active = active
        self.replacements: dict[Node, tuple[Item, ...]] = {}
        self._paths = dict(paths)
        self._parts: dict[Tensor, list[Tensor]] = {}
        self._stacks: set[Tensor] = set()

    def replace(self, node: Node, items: Sequence[Item]) -> None:
        """Let other items compute what a forward node did, and more (its saved tensors)."""
        self.replacements[node] = tuple(items)
        self.active |= active_tensors(items, self.active)
        self._paths.update(producer_paths(items))

    def give(self, tensor: Tensor, gradient: Tensor) -> None:
        """One consumer's gradient."""
        self._parts.setdefault(tensor, []).append(gradient)

    def give_stack(self, tensor: Tensor, gradients: Tensor) -> None:
        """One gradient per iteration, along the first axis."""
        self._stacks.add(gradients)
        self.give(tensor, gradients)

    def take(self, tensor: Tensor) -> Tensor | None:
        """The whole gradient, or None if no consumer gave one."""
        parts = self._parts.get(tensor)
        if parts is None:
            return None
        with self.builder.at(self._paths.get(tensor, self.builder.path), "backward"):
            if not self._stacks.isdisjoint(parts):
                parts[:] = [self.builder.reduce("sum", self._stacked(parts), [0])]
            while len(parts) > 1:
                with self.builder.region(Operation("add")):  # Each addition is a kernel of its own, wherever it stands.
                    parts[:2] = [self.builder.map("add", parts[0], parts[1])]
        return parts[0]

    def _stacked(self, parts: Sequence[Tensor]) -> Tensor:
        """All parts in one stack, so that T iterations cost T−1 additions wherever some were peeled off."""
        b = self.builder
        with b.at(b.path, b.phase, PEELED):
            return b.concat([part if part in self._stacks else b.unsqueeze(part, 0) for part in parts], 0)


def differentiate(
    builder: Builder,
    items: Sequence[Item],
    seeds: Sequence[tuple[Tensor, Tensor]],
    wanted: Mapping[Tensor, str],
) -> tuple[dict[Tensor, Tensor], tuple[Item, ...]]:
    """Append the backward pass of ``items`` to the builder.

    ``seeds`` pair tensors with their incoming gradients, ``wanted`` maps each tensor whose gradient
    is asked for to the layer it belongs to. Returns the gradient of each wanted tensor that has
    one, and the forward items as they must now run: a Repeat also stacks what its backward reads.
    """
    active = active_tensors(items, wanted)
    tape = Tape(builder, active, {**producer_paths(items), **wanted})
    for tensor, gradient in seeds:
        if tensor in active:
            tape.give(tensor, gradient)
    sweep(tape, items)
    found = {tensor: tape.take(tensor) for tensor in wanted}
    gradients = {tensor: gradient for tensor, gradient in found.items() if gradient is not None}
    return gradients, _replaced(items, tape.replacements)


def _replaced(items: Sequence[Item], replacements: Mapping[Node, tuple[Item, ...]]) -> tuple[Item, ...]:
    if not replacements:
        return tuple(items)
    result: list[Item] = []
    for item in items:
        if isinstance(item, Region):
            result.append(replace(item, items=_replaced(item.items, replacements)))
        elif item in replacements:
            result.extend(_replaced(replacements[item], replacements))
        else:
            result.append(item)
    return tuple(result)


def active_tensors(items: Sequence[Item], wanted: Collection[Tensor]) -> set[Tensor]:
    """The tensors that depend on a wanted one by a differentiable path."""
    active = set(wanted)
    _activate(items, active)
    return active


def _activate(items: Sequence[Item], active: set[Tensor]) -> None:
    """Let ``active`` grow along the items."""
    for item in items:
        if isinstance(item, Region) and item.gradient is None:
            _activate(item.items, active)
        elif not active.isdisjoint(item.inputs):
            active.update(_differentiable_outputs(item))


def producer_paths(items: Sequence[Item]) -> dict[Tensor, str]:
    """The layer that produces each tensor."""
    paths: dict[Tensor, str] = {}
    for item in items:
        paths.update((tensor, item.path) for tensor in item.outputs)
        if isinstance(item, Region):
            paths.update(producer_paths(item.items))
    return paths


def _differentiable_outputs(item: Item) -> list[Tensor]:
    if isinstance(item, Region) and item.gradient is no_gradient:
        return []
    if isinstance(item, Node) and isinstance(item.op, ops.Map) and not any(SCALARS[item.op.function].derivatives):
        return []
    return [tensor for tensor in item.outputs if "float" in tensor.dtype or "complex" in tensor.dtype]


def sweep(tape: Tape, items: Sequence[Item]) -> None:
    """Visit items from the last to the first and give each active input its gradient."""
    for item in reversed(items):
        if isinstance(item, Region):
            _sweep_region(tape, item)
        elif any(output in tape.active for output in item.outputs):
            gradients = [tape.take(output) for output in item.outputs]
            if any(gradient is not None for gradient in gradients):
                with tape.builder.at(item.path, "backward", item.origin):
                    _vjp(tape, item, gradients)


def _sweep_region(tape: Tape, region: Region) -> None:
    if not any(output in tape.active for output in region.outputs):
        return
    gradients = [tape.take(output) for output in region.outputs]
    if all(gradient is None for gradient in gradients):
        return
    builder = tape.builder
    with builder.at(region.path, "backward"), builder.region(region.layer, masked=2 * region.masked):
        if region.gradient is None:
            sweep(tape, region.items)
            return
        wanted = frozenset(tensor for tensor in region.inputs if tensor in tape.active)
        for tensor, gradient in region.gradient(builder, region, gradients, wanted).items():
            tape.give(tensor, gradient)


def _vjp(tape: Tape, node: Node, gradients: Sequence[Tensor | None]) -> None:
    """Give each active input of the node its gradient."""
    b, op, x = tape.builder, node.op, node.inputs
    g = gradients[0]
    if isinstance(op, ops.Repeat):
        from nncost.ir.repeats import repeat_gradient

        repeat_gradient(tape, node, gradients)
        return
    if isinstance(op, ops.Split):
        pairs = zip(gradients, node.outputs, strict=True)
        pieces = [b.full(out.shape, 0.0, out.dtype) if piece is None else piece for piece, out in pairs]
        tape.give(x[0], b.emit(ops.Concat(op.axis), *pieces))
        return
    if g is None:
        return
    match op:
        case ops.Contract():
            _contract_vjp(tape, op, x, g)
        case ops.Map(function=name):
            _map_vjp(tape, name, node, g)
        case ops.Reduce():
            _reduce_vjp(tape, op, node, g)
        case ops.ArgReduce(axis=axis):
            _arg_reduce_vjp(tape, axis, node, g)
        case ops.Scan(function="sum", axis=axis):
            flipped = b.emit(ops.Scan("sum", axis), b.emit(ops.Flip((axis,)), g))
            tape.give(x[0], b.emit(ops.Flip((axis,)), flipped))
        case ops.Window(axes=axes, strides=strides, dilations=dilations):
            lengths = tuple(x[0].shape[axis] for axis in axes)
            tape.give(x[0], b.emit(ops.Fold(axes, lengths, strides, dilations), g))
        case ops.Fold(axes=axes, strides=strides, dilations=dilations):
            sizes = x[0].shape[x[0].rank - len(axes) :]
            tape.give(x[0], b.emit(ops.Window(axes, sizes, strides, dilations), g))
        case ops.Move():
            _move_vjp(tape, op, x, g)
        case ops.Gather(axis=axis, along=along):
            if x[0] in tape.active:
                spread = b.emit(ops.Scatter(axis, x[0].shape[axis], along), g, x[1])
                tape.give(x[0], _widened(b, spread, x[0].shape) if along else spread)
        case ops.Scatter(axis=axis, along=along):
            tape.give(x[0], b.emit(ops.Gather(axis, along), g, x[1]))
        case ops.Sort(axis=axis):
            tape.give(x[0], b.emit(ops.Scatter(axis, x[0].shape[axis], True), g, node.outputs[1]))
        case ops.Cast():
            tape.give(x[0], b.emit(ops.Cast(x[0].dtype), g))
        case ops.Scan(function=name):
            _unknown_vjp(tape, f"a cumulative {name}", x, g)
        case ops.Algorithm(name=name) | ops.Opaque(name=name):
            _unknown_vjp(tape, name, x, g)
        case ops.Random() | ops.Constant() | ops.Repeat():
            raise AssertionError("has no inputs to differentiate, or was handled above")
        case _:
            assert_never(op)


def _unknown_vjp(tape: Tape, name: str, x: Sequence[Tensor], g: Tensor) -> None:
    """An operation whose gradient has no form in the core: it is listed as unknown."""
    for tensor in x:
        if tensor in tape.active:
            unknown = ops.Opaque(f"gradient of {name}", ((tensor.shape, tensor.dtype),))
            tape.give(tensor, tape.builder.emit(unknown, g))


def _contract_vjp(tape: Tape, op: ops.Contract, x: Sequence[Tensor], g: Tensor) -> None:
    """y = Σ_k a·c: each operand's gradient is a contraction of g with the other operand.

    Miniature, 1×2 times 2×1: y = a1·c1 + a2·c2, so ∂y/∂a1 = c1 and ∂y/∂c1 = a1; with g = 3,
    c = (5, 7) the left gradient is (15, 21): two products, no addition, as nothing is summed.
    """
    left, right, out = op.terms
    if x[0] in tape.active:
        tape.give(x[0], tape.builder.contract(f"{out},{right}->{left}", g, x[1]))
    if x[1] in tape.active:
        tape.give(x[1], tape.builder.contract(f"{out},{left}->{right}", g, x[0]))


def _map_vjp(tape: Tape, name: str, node: Node, g: Tensor) -> None:
    for operand, derivative in zip(node.inputs, SCALARS[name].derivatives, strict=True):
        if operand in tape.active and derivative is not None:
            gradient = derivative(tape.builder, node.inputs, node.outputs[0], g)
            if operand.rank < gradient.rank:
                gradient = tape.builder.reduce("sum", gradient, range(gradient.rank))
            tape.give(operand, gradient)


def _reduce_vjp(tape: Tape, op: ops.Reduce, node: Node, g: Tensor) -> None:
    b, x, y = tape.builder, node.inputs[0], node.outputs[0]

    def broadcast(reduced: Tensor) -> Tensor:
        return b.broadcast(b.reshape(reduced, kept_shape(x.shape, op.axes)), x.shape)

    gradient = broadcast(g)
    match op.function:
        case "sum":
            tape.give(x, gradient)
        case "prod":
            tape.give(x, b.map("mul", gradient, b.map("div", broadcast(y), x)))
        case "max":
            tape.give(x, b.map("select", b.map("greater_equal", x, broadcast(y)), gradient, 0.0))
        case "min":
            tape.give(x, b.map("select", b.map("greater_equal", broadcast(y), x), gradient, 0.0))
        case _:
            assert_never(op.function)


def _arg_reduce_vjp(tape: Tape, axis: int, node: Node, g: Tensor) -> None:
    """The gradient goes to the extreme element only: one addition per value."""
    b, x = tape.builder, node.inputs[0]
    values, index = b.unsqueeze(g, axis), b.unsqueeze(node.outputs[1], axis)
    tape.give(x, b.emit(ops.Scatter(axis, x.shape[axis], True), values, index))


def _widened(b: Builder, x: Tensor, shape: Shape) -> Tensor:
    """``x`` with zeros behind it, up to a shape: what an index did not reach has no gradient."""
    if same_shape(x.shape, shape):
        return x
    behind = tuple(wide - size for wide, size in zip(shape, x.shape, strict=True))
    return b.emit(ops.Pad((0,) * x.rank, behind), x)


def _move_vjp(tape: Tape, op: ops.AnyMove, x: Sequence[Tensor], g: Tensor) -> None:
    b, shape = tape.builder, x[0].shape
    match op:
        case ops.Reshape(trusted=trusted):
            tape.give(x[0], b.emit(ops.Reshape(shape, trusted=True), g) if trusted else b.reshape(g, shape))
        case ops.Transpose(order=order):
            tape.give(x[0], b.transpose(g, [order.index(axis) for axis in range(len(order))]))
        case ops.Pad(before=before, after=after):
            tape.give(x[0], b.emit(ops.Pad(tuple(-low for low in before), tuple(-high for high in after)), g))
        case ops.Concat(axis=axis):
            pieces = b.emit_many(ops.Split(axis, tuple(tensor.shape[axis] for tensor in x)), g)
            for tensor, piece in zip(x, pieces, strict=True):
                if tensor in tape.active:
                    tape.give(tensor, piece)
        case ops.Stride(axis=axis, step=step):
            tape.give(x[0], slice_adjoint(b, g, axis, shape[axis], 0, step))
        case ops.Broadcast():
            tape.give(x[0], sum_to(b, g, shape))
        case ops.Flip():
            tape.give(x[0], b.emit(op, g))
        case ops.Split():
            raise AssertionError("has several outputs and was handled by the caller")
        case _:
            assert_never(op)


def slice_adjoint(b: Builder, g: Tensor, axis: int, length: Dim, start: Dim, step: int = 1) -> Tensor:
    """``g`` at every ``step``-th element of an axis of zeros of that length, from ``start``. Moves only."""
    if g.shape[axis] != 0 and step != 1:
        padded = b.pad(b.unsqueeze(g, axis + 1), axis + 1, 0, step - 1)
        g = b.reshape(padded, (*g.shape[:axis], g.shape[axis] * step, *g.shape[axis + 1 :]))
    return b.pad(g, axis, start, length - start - g.shape[axis])


def sum_to(b: Builder, g: Tensor, shape: tuple[Dim, ...]) -> Tensor:
    """The adjoint of broadcasting: ``g`` summed over the axes that were repeated."""
    extra = g.rank - len(shape)
    axes = [axis for axis in range(g.rank) if axis < extra or (shape[axis - extra] == 1 and g.shape[axis] != 1)]
    return b.reshape(b.reduce("sum", g, axes), shape)
