"""Arithmetic on elements: between tensors that broadcast, and on one tensor.

If all operands are known constants (sizes of shapes) the result is computed, not emitted.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from nncost.dims import exact_divide, floor_divide, is_symbolic
from nncost.errors import SourceError
from nncost.frontends.onnx.broadcasting import common_shape
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.values import MAX_KNOWN, Array, Known, Unlowered, Value, known_integers
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.dtypes import INTEGER_DTYPES
from nncost.ir.graph import Role, Tensor
from nncost.ir.layers import Operation
from nncost.ir.library import elementwise

Fold = Callable[..., Any]


def _quotient(left: Any, right: Any) -> Any:
    """Integer division of sizes: a symbol in the divisor is taken to divide."""
    if is_symbolic(right):
        return exact_divide(left, right)
    return floor_divide(left, right)


def _equal(left: Any, right: Any) -> Any:
    if is_symbolic(left) != is_symbolic(right):
        return False
    return bool(left == right)


def _extreme(function: Callable[..., Any]) -> Fold:
    def fold(left: Any, right: Any) -> Any:
        if is_symbolic(left) or is_symbolic(right):
            raise Unlowered("a comparison of symbols")
        return function(left, right)

    return fold


_BINARY: dict[str, tuple[str, Role, Fold]] = {
    "Add": ("add", "bias", operator.add),
    "Sub": ("sub", "other", operator.sub),
    "Mul": ("mul", "weight", operator.mul),
    "Div": ("div", "other", _quotient),
    "Max": ("max", "other", _extreme(max)),
    "Min": ("min", "other", _extreme(min)),
}
_UNARY = {
    "Sqrt": "sqrt", "Exp": "exp", "Log": "log", "Neg": "neg", "Abs": "abs", "Erf": "erf", "Sin": "sin", "Cos": "cos",
    "Floor": "floor", "Ceil": "ceil", "Round": "round", "Sign": "sign", "Atan": "atan", "Not": "not", "BitwiseNot": "not",
}  # fmt: skip


def _folded(call: Call, fold: Fold) -> Value | None:
    """The result over known constants, or None if an operand is not known."""
    known = call.known()
    if known is None:
        return None
    common_shape([value.shape for value in known])
    if len({value.dtype for value in known}) > 1:
        raise SourceError(f"its operands are of different types: {', '.join(value.dtype for value in known)}.")
    static = all(value.static for value in known)
    result: Array = np.asarray(known[0].values)
    if "float" in known[0].dtype:
        fold = {_quotient: operator.truediv}.get(fold, fold)
    for value in known[1:]:
        result = np.asarray(np.frompyfunc(fold, 2, 1)(result, value.values), dtype=object)
    if result.size > MAX_KNOWN:
        raise Unlowered("a constant too large to follow")
    if "float" in known[0].dtype:
        return Known(result.astype(np.float64), known[0].dtype, static)
    return known_integers(result, dtype=known[0].dtype, static=static)


def _operands(call: Call, role: Role) -> list[Tensor]:
    """The operands, checked to broadcast; before opset 7 the second one is aligned at an axis."""
    values = [call.value(position) for position in range(len(call.values))]
    if not values:
        raise SourceError("it has no operands.")
    if call.opset < 7 and len(values) == 2 and "axis" in call.attributes:
        left, right = values
        behind = len(left.shape) - call.axis(call.attributes.integer("axis", 0), len(left.shape)) - len(right.shape)
        values[1] = call.reshaped(right, (*right.shape, *(1,) * max(0, behind)))
    common_shape([value.shape for value in values])
    return [call.walk.tensor(value, role) for value in values]


def _in_type_of_first(b: Builder, function: str, x: Tensor, y: Tensor) -> Tensor:
    """A function of two tensors; of whole numbers a quotient or a power is cut to a whole number."""
    if x.dtype not in INTEGER_DTYPES or function not in ("div", "pow"):
        return b.map(function, x, y)
    with b.region(Operation(function), x, y) as region:
        region.returns(b.emit(ops.Cast(x.dtype), b.map("trunc", b.map(function, x, y))))
    return region.outputs[0]


def _chain(function: str, role: Role, fold: Fold) -> Callable[[Call], Lowered]:
    def lower(call: Call) -> Lowered:
        known = _folded(call, fold)
        if known is not None:
            return known
        first, *rest = _operands(call, role)
        for operand in rest:
            first = _in_type_of_first(call.builder, function, first, operand)
        return first

    return lower


for _name, (_function, _role, _fold) in _BINARY.items():
    lowers(_name)(_chain(_function, _role, _fold))
lowers("Sum")(_chain("add", "other", operator.add))


@lowers("Mean")
def _mean(call: Call) -> Tensor:
    """The sum of the operands, divided by their number."""
    return elementwise.mean_of(call.builder, _operands(call, "other"))


def _unary(function: str) -> Callable[[Call], Lowered]:
    return lambda call: call.builder.map(function, call.tensor(0))


for _name, _function in _UNARY.items():
    lowers(_name)(_unary(_function))


@lowers("Reciprocal")
def _reciprocal(call: Call) -> Tensor:
    return call.builder.map("div", 1.0, call.tensor(0))


def _composed(name: str) -> Callable[[Call], Lowered]:
    return lambda call: elementwise.composed(call.builder, name, call.tensor(0))


for _name in elementwise.COMPOSED:
    lowers(_name.capitalize())(_composed(_name))


@lowers("Pow")
def _pow(call: Call) -> Tensor:
    """x^e; a power by a known number may be products, a root or a quotient."""
    exponent, base = call.scalar(1), call.value(0)
    if exponent is not None and len(call.value(1).shape) <= len(base.shape) and not isinstance(base, Known):
        x = call.tensor(0)
        if "float" in x.dtype:
            return elementwise.power(call.builder, x, exponent)
    return _in_type_of_first(call.builder, "pow", *_operands(call, "other"))


def _of_two(function: str, *, swapped: bool) -> Callable[[Call], Lowered]:
    def lower(call: Call) -> Lowered:
        left, right = _operands(call, "other")
        return call.builder.map(function, *((right, left) if swapped else (left, right)))

    return lower


for _name, _function, _swapped in (
    ("Greater", "greater", False), ("GreaterOrEqual", "greater_equal", False),
    ("Less", "greater", True), ("LessOrEqual", "greater_equal", True), ("And", "and", False), ("Or", "or", False),
    ("Xor", "xor", False), ("BitwiseAnd", "and", False), ("BitwiseOr", "or", False), ("BitwiseXor", "xor", False),
):  # fmt: skip
    lowers(_name)(_of_two(_function, swapped=_swapped))


@lowers("Equal")
def _equality(call: Call) -> Lowered:
    """Known constants by value: exporters compare shapes."""
    known = call.known()
    if known is None:
        return call.builder.map("equal", *_operands(call, "other"))
    left, right = known
    result = np.frompyfunc(_equal, 2, 1)(left.values, right.values)
    return Known(np.asarray(result, dtype=bool), "bool", left.static and right.static)


@lowers("Where")
def _where(call: Call) -> Lowered:
    """The second operand where the first one holds, else the third."""
    known = call.known()
    if known is not None and "float" not in known[1].dtype:
        chosen = np.frompyfunc(lambda c, a, e: a if c else e, 3, 1)(*(value.values for value in known))
        return known_integers(chosen, dtype=known[1].dtype, static=all(value.static for value in known))
    return call.builder.map("select", *_operands(call, "other"))
