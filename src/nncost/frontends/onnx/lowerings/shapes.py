"""Reshape and its relatives, which keep constants lazy and shapes known."""

from __future__ import annotations

from typing import Any

from nncost.dims import Dim, Shape, exact_divide, is_symbolic, product, same, shape_text, substitute
from nncost.errors import ShapeError
from nncost.frontends.onnx.broadcasting import common_shape
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import lowers
from nncost.frontends.onnx.values import Value
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.library import shuffles


@lowers("Reshape")
def _reshape(call: Call) -> Value:
    """The same elements under another shape: 0 keeps a size, −1 takes the rest.

    If the file's batch was replaced, a target that starts with the old one starts with the new one,
    provided that the tensor does, too.
    """
    value = call.value(0)
    target: list[Dim] = list(call.attributes.integers("shape") or []) if call.opset < 5 else call.integers(1)
    allow_zero = call.attributes.flag("allowzero", False)
    if not call.is_constant(0):
        target = call.with_new_batch(value.shape, target)
    shape = _resolved(value.shape, target, allow_zero=allow_zero)
    if not same(product(shape), product(value.shape)):
        if _may_be_equal(shape, value.shape) and not call.walk.trusting:
            raise ShapeError.of_sizes(
                f"cannot reshape {shape_text(value.shape)} to {shape_text(shape)}.", *_ratio(shape, value.shape)
            )
        if _may_be_equal(shape, value.shape):
            call.walk.trust(value.shape, shape)
            return call.like(value, call.builder.emit(ops.Reshape(shape, trusted=True), call.tensor(0)))
        raise ShapeError(
            f"cannot reshape {shape_text(value.shape)} to {shape_text(shape)}.",
            hint=None if call.walk.batch_was is None else _BATCH_HINT,
        )
    return call.reshaped(value, shape)


def _may_be_equal(left: Shape, right: Shape) -> bool:
    """Whether two shapes have as many elements for some values of the symbols in them: their difference has no fixed sign."""
    difference: Any = product(left) - product(right)
    if not getattr(difference, "free_symbols", ()):
        return False
    return not (difference.is_positive or difference.is_negative)


def _ratio(left: Shape, right: Shape) -> tuple[Any, int]:
    """What must be 1 where two shapes have as many elements."""
    import sympy

    return sympy.cancel(product(right) / product(left)), 1


_BATCH_HINT = "The file fixes a shape for its own batch size; leave --batch out, or export it with a named batch axis."


def _resolved(shape: Shape, target: list[Dim], *, allow_zero: bool) -> Shape:
    result, free = list(target), [axis for axis, dim in enumerate(target) if dim == -1]
    if len(free) > 1 or any(not is_symbolic(dim) and dim < -1 for dim in target):
        raise ShapeError(f"a shape has sizes and at most one -1, received {target}.")
    for axis, dim in enumerate(target):
        if dim == 0 and not allow_zero:
            if axis >= len(shape):
                raise ShapeError(f"0 keeps axis {axis}, which {shape_text(shape)} does not have.")
            result[axis] = shape[axis]
    if free:
        rest = product(dim for dim in result if dim != -1)
        try:
            result[free[0]] = substitute(exact_divide(product(shape), rest), {})
        except (ValueError, ZeroDivisionError):
            raise ShapeError(f"cannot reshape {shape_text(shape)} to {target}.") from None
    return tuple(result)


@lowers("Flatten")
def _flatten(call: Call) -> Value:
    """Two axes: all before ``axis``, and all from it on."""
    value = call.value(0)
    rank, axis = len(value.shape), call.attributes.integer("axis", 1)
    axis = axis if axis == rank else call.axis(axis, rank)
    return call.reshaped(value, (product(value.shape[:axis]), product(value.shape[axis:])))


@lowers("Squeeze")
def _squeeze(call: Call) -> Value:
    value, axes = call.value(0), call.integers_at(1, "axes", 13)
    rank = len(value.shape)
    gone = [axis for axis, dim in enumerate(value.shape) if dim == 1] if axes is None else call.axes(axes, rank)
    for axis in gone:
        if not is_symbolic(value.shape[axis]) and value.shape[axis] != 1:
            raise ShapeError(f"cannot squeeze axis {axis} of {shape_text(value.shape)}.")
    return call.reshaped(value, tuple(dim for axis, dim in enumerate(value.shape) if axis not in gone))


@lowers("Unsqueeze")
def _unsqueeze(call: Call) -> Value:
    value, axes = call.value(0), call.integers_at(1, "axes", 13) or []
    rank = len(value.shape) + len(axes)
    new, old = call.axes(axes, rank), iter(value.shape)
    return call.reshaped(value, tuple(1 if axis in new else next(old) for axis in range(rank)))


@lowers("Transpose")
def _transpose(call: Call) -> Value:
    value = call.value(0)
    rank = len(value.shape)
    order = call.attributes.integers("perm") or list(reversed(range(rank)))
    if sorted(order) != list(range(rank)):
        raise ShapeError(f"perm {order} is no order of the axes of {shape_text(value.shape)}.")
    return call.transposed(value, tuple(order))


@lowers("Expand", since=8)
def _expand(call: Call) -> Value:
    """Broadcast to a shape; sizes of one give way on both sides."""
    value = call.value(0)
    wanted = call.integers(1)
    if any(not is_symbolic(size) and size < 0 for size in wanted):
        raise ShapeError(f"sizes are at least 0, received {wanted}, of which one is negative.")
    shape = common_shape([value.shape, tuple(wanted)])
    return call.like(value, call.builder.broadcast(call.tensor(0), shape))


@lowers("DepthToSpace")
def _depth_to_space(call: Call) -> Tensor:
    """``(B, C·s², H, W) → (B, C, H·s, W·s)``."""
    x, size = call.ranked(0, 4, 4), _block(call)
    if _depth_first(call):
        return shuffles.depth_to_space(call.builder, x, size)
    return shuffles.pixel_shuffle(call.builder, x, size)


def _block(call: Call) -> int:
    size = call.attributes.integer("blocksize", 0)
    if size < 1:
        raise ShapeError(f"blocksize must be at least 1, received {size}.")
    return size


def _depth_first(call: Call) -> bool:
    mode = call.attributes.text("mode", "DCR")
    if mode not in ("DCR", "CRD"):
        raise ShapeError(f"mode is DCR or CRD, received {mode!r}.")
    return mode == "DCR"


@lowers("SpaceToDepth")
def _space_to_depth(call: Call) -> Tensor:
    """``(B, C, H·s, W·s) → (B, s²·C, H, W)``."""
    x, size = call.ranked(0, 4, 4), _block(call)
    if _depth_first(call):
        return shuffles.space_to_depth(call.builder, x, size)
    return shuffles.pixel_unshuffle(call.builder, x, size)
