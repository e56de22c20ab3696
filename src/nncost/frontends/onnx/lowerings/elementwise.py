"""Arithmetic on elements: between tensors that broadcast, and on one tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce

from nncost.errors import SourceError
from nncost.frontends.onnx.broadcasting import common_shape, fitted
from nncost.frontends.onnx.call import Call
from nncost.frontends.onnx.lowering import Lowered, lowers
from nncost.frontends.onnx.roles import addend_role, factor_role, subtrahend_role
from nncost.frontends.onnx.sources import DEVIATION, NORMAL, SCORES
from nncost.frontends.onnx.values import Computed, Value
from nncost.ir import ops
from nncost.ir.builder import Builder
from nncost.ir.dtypes import INTEGER_DTYPES
from nncost.ir.graph import Role, Tensor
from nncost.ir.layers import Operation
from nncost.ir.library import elementwise

RoleOf = Callable[[Call, int], "Role | None"]
_UNARY = {
    "Exp": "exp", "Log": "log", "Neg": "neg", "Abs": "abs", "Erf": "erf", "Sin": "sin", "Cos": "cos",
    "Floor": "floor", "Ceil": "ceil", "Round": "round", "Sign": "sign", "Atan": "atan",
}  # fmt: skip


def operands(call: Call, role_of: RoleOf | None = None) -> list[Tensor]:
    """The operands, checked to broadcast; before opset 7 the second one is aligned at an axis."""
    values = [call.value(position) for position in range(len(call.values))]
    if not values:
        raise SourceError("it has no operands.")
    roles = [role_of(call, n) if role_of and len(values) == 2 else None for n in range(len(values))]
    if call.opset < 7 and len(values) == 2 and "axis" in call.attributes:
        values[1] = _aligned(call, *values)
    shape = common_shape([value.shape for value in values])
    tensors = call.walk.tensors
    made = [tensors.of(value, role or tensors.inheriting(value)) for value, role in zip(values, roles, strict=True)]
    return [fitted(call, tensor, shape) for tensor in made] if call.walk.trusting else made


def _aligned(call: Call, left: Value, right: Value) -> Value:
    """The second operand with axes of size one behind it, so that it begins at the ``axis`` of the first."""
    rank, first = len(left.shape), call.attributes.integer("axis", 0)
    behind = rank - call.axis(first, max(rank, 1)) - len(right.shape)
    return call.reshaped(right, (*right.shape, *(1,) * max(0, behind)))


# ------------------------------------------------------------------- two operands
def source_of(call: Call, function: str, values: Sequence[Value | None]) -> str:
    """Where a result comes from: norms are divisions by a deviation; numbers change nothing about their other operand."""
    sources = [value.source if isinstance(value, Computed) else "" for value in values if value is not None]
    if function in ("mul", "div") and DEVIATION in sources[1 if function == "div" else 0 :]:
        others = [value for value in values if isinstance(value, Computed) and value.source != DEVIATION]
        return NORMAL if others else DEVIATION
    computed = [value for value in values if isinstance(value, Computed)]
    if len(computed) == 1:
        kept = computed[0].source
        if all(value is computed[0] or not value or all(d == 1 for d in value.shape) for value in values):
            return "" if kept == "input" else kept
        return NORMAL if kept == NORMAL and function == "mul" else SCORES if kept == SCORES else ""
    return SCORES if SCORES in sources and function in ("add", "mul", "div") else ""


def _chain(function: str, role_of: RoleOf | None = None) -> Callable[[Call], Lowered]:
    def lower(call: Call) -> Lowered:
        source = source_of(call, function, call.values)
        made = reduce(lambda x, y: call.builder.map(function, x, y), operands(call, role_of))
        if len(call.values) == 1:
            made = call.builder.map("identity", made)
        return from_source(call, made, source)

    return lower


def from_source(call: Call, tensor: Tensor, source: str) -> Computed:
    """A result that says where it comes from."""
    activation = call.walk.tensors.used_parameter or any(
        isinstance(value, Computed) and value.activation for value in call.values
    )
    return Computed(tensor, activation=activation, source=source)


for _name, _function, _role in (
    ("Add", "add", addend_role), ("Sub", "sub", subtrahend_role), ("Mul", "mul", factor_role), ("Max", "max", None),
    ("Min", "min", None), ("Sum", "add", None),
):  # fmt: skip
    lowers(_name)(_chain(_function, _role))


@lowers("Div")
def _div(call: Call) -> Lowered:
    """A quotient; of whole numbers it is cut towards zero."""
    source = source_of(call, "div", call.values)
    left, right = operands(call)
    function = "quotient" if left.dtype in INTEGER_DTYPES else "div"
    return from_source(call, call.builder.map(function, left, right), source)


@lowers("Mod")
def _mod(call: Call) -> Tensor:
    """x − y·⌊x/y⌋, or with ``fmod`` x − y·trunc(x/y): 1 div, 1 mul, 1 add."""
    left, right = operands(call)
    is_cut = call.attributes.flag("fmod", False)
    return elementwise.remainder(call.builder, left, right, cut=is_cut)


@lowers("Mean")
def _mean(call: Call) -> Tensor:
    """The sum of the operands, divided by their number."""
    return elementwise.mean_of(call.builder, operands(call))


@lowers("Pow")
def _pow(call: Call) -> Lowered:
    """x^e in the type of x; a power by a known number may be products, a root or a quotient."""
    b, exponent, base = call.builder, call.scalar(1), call.value(0)
    is_short = len(call.value(1).shape) <= len(base.shape)
    if exponent is not None and is_short and "float" in base.dtype and not call.is_constant(0):
        source = DEVIATION if abs(exponent) == 1 / 2 else ""
        return from_source(call, elementwise.power(b, call.tensor(0), exponent), source)
    x, e = operands(call)
    if x.dtype == e.dtype:
        return b.map("pow", x, e)
    if "float" in x.dtype or "float" not in e.dtype:
        return b.map("pow", x, b.emit(ops.Cast(x.dtype), e))
    with b.region(Operation("pow"), x, e) as region:
        region.returns(b.emit(ops.Cast(x.dtype), b.map("pow", b.emit(ops.Cast(e.dtype), x), e)))
    return region.outputs[0]


# ------------------------------------------------------------------- one operand
def _unary(function: str) -> Callable[[Call], Lowered]:
    return lambda call: call.builder.map(function, call.tensor(0))


for _name, _function in _UNARY.items():
    lowers(_name)(_unary(_function))


@lowers("Sqrt")
def _sqrt(call: Call) -> Lowered:
    return from_source(call, call.builder.map("sqrt", call.tensor(0)), DEVIATION)


@lowers("Reciprocal")
def _reciprocal(call: Call) -> Lowered:
    source = call.values[0].source if isinstance(call.values[0], Computed) else ""
    return from_source(call, call.builder.map("div", 1.0, call.tensor(0)), source)


def _composed(name: str) -> Callable[[Call], Lowered]:
    return lambda call: elementwise.composed(call.builder, name, call.tensor(0))


for _name in elementwise.COMPOSED:
    lowers(_name.capitalize())(_composed(_name))


# ------------------------------------------------------------------- comparisons, logic and bits
def _of_two(function: str, *, swapped: bool = False) -> Callable[[Call], Lowered]:
    def lower(call: Call) -> Lowered:
        left, right = operands(call)
        return call.builder.map(function, *((right, left) if swapped else (left, right)))

    return lower


_TWO: Mapping[str, tuple[str, bool]] = {
    "Greater": ("greater", False), "GreaterOrEqual": ("greater_equal", False), "Less": ("greater", True),
    "LessOrEqual": ("greater_equal", True), "Equal": ("equal", False), "And": ("and", False), "Or": ("or", False),
    "Xor": ("xor", False), "BitwiseAnd": ("and", False), "BitwiseOr": ("or", False), "BitwiseXor": ("xor", False),
}  # fmt: skip
for _name, (_function, _swapped) in _TWO.items():
    lowers(_name)(_of_two(_function, swapped=_swapped))
lowers("Not", "BitwiseNot")(_unary("not"))


@lowers("BitShift")
def _bit_shift(call: Call) -> Tensor:
    """Free, as all operations on bits are."""
    way = call.attributes.text("direction", "")
    if way not in ("LEFT", "RIGHT"):
        raise SourceError(f"the attribute 'direction' is LEFT or RIGHT, received {way!r}.")
    left, right = operands(call)
    return call.builder.map(f"shift_{way.lower()}", left, right)


@lowers("IsNaN")
def _is_nan(call: Call) -> Tensor:
    """A number that is not itself: 1 cmp."""
    x = call.tensor(0)
    return call.builder.map("not_equal", x, x)


@lowers("IsInf")
def _is_inf(call: Call) -> Tensor:
    """1 cmp with infinity; for one sign only no absolute value is taken, which is free."""
    above, below = (call.attributes.flag(f"detect_{sign}", True) for sign in ("positive", "negative"))
    return elementwise.is_infinite(call.builder, call.tensor(0), above=above, below=below)


@lowers("Where")
def _where(call: Call) -> Lowered:
    """The second operand where the first one holds, else the third: 1 cmp."""
    return from_source(call, call.builder.map("select", *operands(call)), _chosen_source(call))


def _chosen_source(call: Call) -> str:
    """Scores stay scores where a mask replaces some of them."""
    sources = [value.source for value in call.values[1:] if isinstance(value, Computed)]
    return SCORES if SCORES in sources else ""


def in_type(b: Builder, x: Tensor, dtype: str) -> Tensor:
    """A tensor in a type; itself if it has it."""
    return x if x.dtype == dtype else b.emit(ops.Cast(dtype), x)
