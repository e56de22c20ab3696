"""The core operations as ONNX nodes: what is written if ONNX has no operator for a layer."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import assert_never, cast

from nncost.backends.onnx.emitter import Emitter, element_type
from nncost.backends.operands import batch_free
from nncost.errors import SourceError
from nncost.ir import ops
from nncost.ir.batch_axes import Axes
from nncost.ir.graph import Node

_MAPS: Mapping[str, str] = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "neg": "Neg", "abs": "Abs", "sign": "Sign",
    "floor": "Floor", "ceil": "Ceil", "round": "Round", "identity": "Identity", "sqrt": "Sqrt", "exp": "Exp",
    "log": "Log", "tanh": "Tanh", "sigmoid": "Sigmoid", "erf": "Erf", "sin": "Sin", "cos": "Cos", "atan": "Atan", "pow": "Pow",
    "max": "Max", "min": "Min", "relu": "Relu", "greater": "Greater", "greater_equal": "GreaterOrEqual",
    "equal": "Equal", "and": "And", "or": "Or", "xor": "Xor", "not": "Not", "select": "Where", "clip": "Clip",
}  # fmt: skip
_REDUCTIONS = {"sum": "ReduceSum", "prod": "ReduceProd", "max": "ReduceMax", "min": "ReduceMin"}
_INT_MAX = 2**63 - 1


def emit(e: Emitter, node: Node, x: Sequence[str], axes: Axes) -> list[str]:
    """The names of the node's outputs. Raise SourceError for an operation that ONNX has no form of."""
    op, path = node.op, node.path
    match op:
        case ops.Contract(spec=spec):
            return [e.node("Einsum", x, path=path, equation=spec)]
        case ops.Map(function=name):
            return [_map(e, name, node, x)]
        case ops.Reduce(function=name, axes=reduced):
            return [e.node(_REDUCTIONS[name], [x[0], e.integers(reduced)], path=path, keepdims=0)]
        case ops.ArgReduce(function=name, axis=axis):
            extreme = e.node(
                "ReduceMax" if name == "max" else "ReduceMin", [x[0], e.integers([axis])], path=path, keepdims=0
            )
            return [extreme, e.node("ArgMax" if name == "max" else "ArgMin", [x[0]], path=path, axis=axis, keepdims=0)]
        case ops.Window():
            return [_window(e, op, x[0], node)]
        case ops.Move():
            return _move(e, op, node, x, axes)
        case ops.Gather(axis=axis, along=along):
            return [e.node("GatherElements" if along else "Gather", x, path=path, axis=axis)]
        case ops.Cast(dtype=dtype):
            return [e.node("Cast", x, path=path, to=element_type(dtype))]
        case ops.Scan(function="sum", axis=axis):
            return [e.node("CumSum", [x[0], e.scalar(axis, "int64")], path=path)]
        case ops.Scan() | ops.Fold() | ops.Scatter() | ops.Sort() | ops.Random() | ops.Algorithm() | ops.Opaque():
            name = getattr(op, "name", type(op).__name__)
            raise SourceError(f"{path or 'the network'}: {name} is not written to ONNX.", hint="Leave the layer out.")
        case ops.Constant() | ops.Repeat():
            raise AssertionError("known before it is written, and written out")
        case _:
            assert_never(op)


def _map(e: Emitter, name: str, node: Node, x: Sequence[str]) -> str:
    path = node.path
    if name in _MAPS:
        on_bits = name in ("and", "or", "xor", "not") and node.inputs[0].dtype != "bool"
        return e.node(f"Bitwise{_MAPS[name]}" if on_bits else _MAPS[name], x, path=path)
    match name:
        case "square":
            return e.node("Mul", [x[0], x[0]], path=path)
        case "trunc":
            floor = e.node("Floor", [e.node("Abs", x, path=path)], path=path)
            return e.node("Mul", [e.node("Sign", x, path=path), floor], path=path)
        case "cut_remainder":
            return e.node("Mod", x, path=path, fmod=1)
        case "remainder":
            floor = e.node("Floor", [e.node("Div", x, path=path)], path=path)
            return e.node("Sub", [x[0], e.node("Mul", [x[1], floor], path=path)], path=path)
        case "not_equal":
            return e.node("Not", [e.node("Equal", x, path=path)], path=path)
        case "where_positive":
            positive = e.node("Greater", [x[0], e.scalar(0.0, node.inputs[0].dtype)], path=path)
            return e.node("Where", [positive, x[1], x[2]], path=path)
        case "atan2":
            return _atan2(e, node, x)
        case _:
            raise SourceError(f"{path or 'the network'}: {name} is not written to ONNX.", hint="Leave the layer out.")


def _atan2(e: Emitter, node: Node, x: Sequence[str]) -> str:
    """The angle of the point (x, y): atan(y/x), half a turn further if x is negative."""
    y, x_, path = *x, node.path
    zero, turn = (e.scalar(value, node.inputs[0].dtype) for value in (0.0, math.pi))
    angle = e.node("Atan", [e.node("Div", [y, x_], path=path)], path=path)
    below = e.node("Less", [y, zero], path=path)
    further = e.node(
        "Where", [below, e.node("Sub", [angle, turn], path=path), e.node("Add", [angle, turn], path=path)], path=path
    )
    return e.node("Where", [e.node("Less", [x_, zero], path=path), further, angle], path=path)


def _window(e: Emitter, op: ops.Window, x: str, node: Node) -> str:
    """A strided slice per tap, side by side behind the other axes."""
    shape = cast("tuple[int, ...]", node.outputs[0].shape)
    positions = [shape[axis] for axis in op.axes]
    taps = []
    for tap in itertools.product(*(range(cast("int", size)) for size in op.sizes)):
        starts = [offset * dilation for offset, dilation in zip(tap, op.dilations, strict=True)]
        ends = [s + stride * (n - 1) + 1 for s, stride, n in zip(starts, op.strides, positions, strict=True)]
        bounds = [e.integers(numbers) for numbers in (starts, ends, op.axes, op.strides)]
        cut = e.node("Slice", [x, *bounds], path=node.path)
        taps.append(e.node("Unsqueeze", [cut, e.integers([len(shape) - len(op.sizes)])], path=node.path))
    joined = taps[0] if len(taps) == 1 else e.node("Concat", taps, path=node.path, axis=len(shape) - len(op.sizes))
    if len(op.sizes) == 1:
        return joined
    return e.node(
        "Reshape", [joined, e.integers([0] * (len(shape) - len(op.sizes)) + list(cast("tuple[int, ...]", op.sizes)))]
    )


def _move(e: Emitter, op: ops.AnyMove, node: Node, x: Sequence[str], axes: Axes) -> list[str]:
    path = node.path
    match op:
        case ops.Reshape():
            return [e.node("Reshape", [x[0], e.integers(batch_free(node.outputs[0], axes))], path=path)]
        case ops.Transpose(order=order):
            return [e.node("Transpose", x, path=path, perm=list(order))]
        case ops.Pad():
            return [_pad(e, op, node, x[0])]
        case ops.Split(axis=axis, sizes=sizes):
            lengths = e.integers(cast("tuple[int, ...]", sizes))
            return e.several("Split", [x[0], lengths], len(sizes), path=path, axis=axis)
        case ops.Concat(axis=axis):
            return [e.node("Concat", x, path=path, axis=axis)]
        case ops.Stride(axis=axis, step=step):
            return [_slice(e, x[0], path, axis, 0, _INT_MAX, step)]
        case ops.Broadcast(shape=shape):
            source, ahead = node.inputs[0].shape, len(shape) - node.inputs[0].rank
            spread = [
                cast("int", size) if axis < ahead or source[axis - ahead] == 1 else 1 for axis, size in enumerate(shape)
            ]
            return [e.node("Expand", [x[0], e.integers(spread)], path=path)]
        case ops.Flip(axes=flipped):
            y = x[0]
            for axis in flipped:
                y = _slice(e, y, path, axis, -1, -_INT_MAX, -1)
            return [y]
        case _:
            assert_never(op)


def _slice(e: Emitter, x: str, path: str, axis: int, start: int, end: int, step: int) -> str:
    return e.node("Slice", [x, *(e.integers([number]) for number in (start, end, axis, step))], path=path)


def _pad(e: Emitter, op: ops.Pad, node: Node, x: str) -> str:
    widths = [*cast("tuple[int, ...]", op.before), *cast("tuple[int, ...]", op.after)]
    return e.node("Pad", [x, e.integers(widths), e.scalar(op.value, node.inputs[0].dtype)], path=node.path)
