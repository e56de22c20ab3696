"""Arithmetic, comparisons, logic and conversions of elements."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from nncost.frontends.torch.lowerings.operands import cast, constant, elementwise, operand, scaled, typed
from nncost.frontends.torch.lowerings.registry import Call, lowers
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.library.dense import letters
from nncost.ir.library.elementwise import power

_UNARY = {
    "exp": "exp", "log": "log", "sqrt": "sqrt", "sin": "sin", "cos": "cos", "erf": "erf", "neg": "neg",
    "square": "square", "floor": "floor", "ceil": "ceil", "sign": "sign", "sgn": "sign", "trunc": "trunc",
    "positive": "identity", "conj_physical": "identity", "_conj_physical": "identity", "resolve_conj": "identity",
    "resolve_neg": "identity",
}  # fmt: skip
_BINARY = {
    "maximum": "max", "minimum": "min", "fmax": "max", "fmin": "min", "bitwise_and": "and", "bitwise_or": "or",
    "bitwise_xor": "xor", "__and__": "and", "__or__": "or", "__xor__": "xor", "logical_and": "and", "logical_or": "or",
    "logical_xor": "xor",
}  # fmt: skip


def _map(function: str, *names: str) -> Callable[[Call], Tensor]:
    return lambda call: elementwise(call, function, *(call[name] for name in names))


for _name, _function in _UNARY.items():
    lowers(f"aten::{_name}")(_map(_function, "self"))
for _name, _function in _BINARY.items():
    lowers(f"aten::{_name}")(_map(_function, "self", "other"))


@lowers("aten::abs")
def _abs(call: Call) -> Tensor:
    """The size; of a complex number it is real."""
    return cast(call.builder, call.builder.map("abs", call.tensor("self")), call.dtype)


@lowers("aten::mul")
def _mul(call: Call) -> Tensor:
    """An elementwise product; in the gradient of a contraction, an outer product with a sum of one term."""
    b, left, right = call.builder, call["self"], call["other"]
    if call.get("contraction") is None or not (isinstance(left, Tensor) and isinstance(right, Tensor)):
        return elementwise(call, "mul", left, right)
    shape = call.shape
    named = letters(len(shape))
    sides = []
    for tensor in (left, right):
        kept = [i for i in range(tensor.rank) if tensor.shape[i] != 1 or shape[i + len(shape) - tensor.rank] == 1]
        names = "".join(named[i + len(shape) - tensor.rank] for i in kept)
        flat = b.reshape(tensor, (*(tensor.shape[i] for i in kept), 1))
        sides.append((names + "z", flat))
    return b.contract(f"{sides[0][0]},{sides[1][0]}->{named}", sides[0][1], sides[1][1])


@lowers("aten::div", "aten::true_divide", "aten::floor_divide")
def _div(call: Call) -> Tensor:
    """A quotient; rounding it is free. By a number too: it is a division that is written."""
    mode = "floor" if call.name == "aten::floor_divide" else call.get("rounding_mode")
    quotient = elementwise(call, "div", call["self"], call["other"])
    if mode is None:
        return quotient
    return call.builder.emit(ops.Cast(call.dtype), call.builder.map(mode, quotient))


@lowers("aten::round")
def _round(call: Call) -> Tensor:
    """To whole numbers, free; to decimals by a product and a quotient."""
    decimals = call.get("decimals", 0)
    if not decimals:
        return elementwise(call, "round", call["self"])
    rounded = elementwise(call, "round", elementwise(call, "mul", call["self"], 10.0**decimals))
    return elementwise(call, "div", rounded, 10.0**decimals)


@lowers("aten::pow")
def _pow(call: Call) -> Tensor:
    """x^e: powers that are products, a root or a quotient are counted as those."""
    base, exponent = call["self"], call["exponent"]
    if isinstance(exponent, Tensor) or not isinstance(base, Tensor):
        return elementwise(call, "pow", base, exponent)
    return power(call.builder, typed(call, "self"), float(exponent))


def _of_base(base: int) -> Callable[[Call], Tensor]:
    """The natural logarithm, times a constant."""
    return lambda call: elementwise(call, "mul", elementwise(call, "log", call["self"]), 1 / math.log(base))


def _with_inner(function: str) -> Callable[[Call], Tensor]:
    """Self + value·(tensor1 op tensor2)."""

    def lower(call: Call) -> Tensor:
        inner = elementwise(call, function, call["tensor1"], call["tensor2"])
        return elementwise(call, "add", call["self"], scaled(call, inner, call.get("value", 1)))

    return lower


def _remainder(rounding: str) -> Callable[[Call], Tensor]:
    """X − y·⌊x/y⌋, or with the quotient rounded towards zero."""

    def lower(call: Call) -> Tensor:
        quotient = elementwise(call, rounding, elementwise(call, "div", call["self"], call["other"]))
        return elementwise(call, "sub", call["self"], elementwise(call, "mul", call["other"], quotient))

    return lower


def _lerp(call: Call) -> Tensor:
    """Start + weight·(end − start)."""
    distance = elementwise(call, "sub", call["end"], call["self"])
    return elementwise(call, "add", call["self"], elementwise(call, "mul", call["weight"], distance))


_COMPOSED: Mapping[str, Callable[[Call], Tensor]] = {
    "add": lambda c: elementwise(c, "add", c["self"], scaled(c, c["other"], c.get("alpha", 1))),
    "sub": lambda c: elementwise(c, "sub", c["self"], scaled(c, c["other"], c.get("alpha", 1))),
    "rsub": lambda c: elementwise(c, "sub", c["other"], scaled(c, c["self"], c.get("alpha", 1))),
    "reciprocal": lambda c: elementwise(c, "div", 1.0, c["self"]),
    "rsqrt": lambda c: elementwise(c, "div", 1.0, elementwise(c, "sqrt", c["self"])),
    "expm1": lambda c: elementwise(c, "sub", elementwise(c, "exp", c["self"]), 1.0),
    "exp2": lambda c: elementwise(c, "pow", 2.0, c["self"]),
    "log1p": lambda c: elementwise(c, "log", elementwise(c, "add", c["self"], 1.0)),
    "log2": _of_base(2),
    "log10": _of_base(10),
    "frac": lambda c: elementwise(c, "sub", c["self"], elementwise(c, "trunc", c["self"])),
    "lerp": _lerp,
    "addcmul": _with_inner("mul"),
    "addcdiv": _with_inner("div"),
    "remainder": _remainder("floor"),
    "fmod": _remainder("trunc"),
    "clamp_min": lambda c: elementwise(c, "max", c["self"], c["min"]),
    "clamp_max": lambda c: elementwise(c, "min", c["self"], c["max"]),
    "where": lambda c: _select(c, c["condition"], c["self"], c["other"]),
    "masked_fill": lambda c: _select(c, c["mask"], c["value"], c["self"]),
}
for _name, _lowering in _COMPOSED.items():
    lowers(f"aten::{_name}")(_lowering)


def _comparison(function: str, *, swapped: bool) -> Callable[[Call], Tensor]:
    def lower(call: Call) -> Tensor:
        pair = (call["other"], call["self"]) if swapped else (call["self"], call["other"])
        return elementwise(call, function, *pair, dtype=_common_type(*pair))

    return lower


def _common_type(*values: Any) -> str:
    """The type in which tensors are compared: a floating one if any of them is."""
    types = [value.dtype for value in values if isinstance(value, Tensor)]
    if not all(isinstance(value, (Tensor, int)) for value in values):
        types += ["float32"] if not any("float" in t for t in types) else []
    return next((t for t in types if "float" in t), next((t for t in types if t != "bool"), types[0]))


for _name, _function, _swapped in (
    ("gt", "greater", False), ("ge", "greater_equal", False), ("lt", "greater", True), ("le", "greater_equal", True),
    ("eq", "equal", False), ("ne", "not_equal", False),
):  # fmt: skip
    lowers(f"aten::{_name}")(_comparison(_function, swapped=_swapped))


@lowers("aten::logical_not", "aten::bitwise_not")
def _not(call: Call) -> Tensor:
    x = call.tensor("self")
    return call.builder.map("not", cast(call.builder, x, "bool") if call.name == "aten::logical_not" else x)


@lowers("aten::isnan", "aten::isinf", "aten::isposinf", "aten::isneginf", "aten::isfinite")
def _classified(call: Call) -> Tensor:
    """One comparison: a number that is not itself, or with infinity; the absolute value is free."""
    b, x, kind = call.builder, call.tensor("self"), call.name.removeprefix("aten::")
    if "float" not in x.dtype:
        return b.full(x.shape, kind == "isfinite", "bool")
    if kind == "isnan":
        return b.map("not_equal", x, x)
    infinity = constant(b, -math.inf if kind == "isneginf" else math.inf, x.dtype)
    size = b.map("abs", x) if kind in ("isinf", "isfinite") else x
    return b.map("greater", infinity, size) if kind == "isfinite" else b.map("equal", size, infinity)


def _select(call: Call, condition: Tensor, chosen: Any, otherwise: Any) -> Tensor:
    """The first if the condition holds, else the second: 1 cmp per element."""
    b = call.builder
    pair = [operand(call, value) for value in (chosen, otherwise)]
    return b.map(
        "select",
        cast(b, condition, "bool"),
        *(x if isinstance(x, Tensor) else constant(b, x, call.dtype) for x in pair),
    )


@lowers("aten::clamp", "aten::clip")
def _clamp(call: Call) -> Tensor:
    low, high, x = call.get("min"), call.get("max"), call.tensor("self")
    if low is not None and high is not None and not isinstance(low, Tensor) and not isinstance(high, Tensor):
        return elementwise(call, "clip", x, low, high)
    for function, bound in (("max", low), ("min", high)):
        if bound is not None:
            x = elementwise(call, function, x, bound)
    return x


@lowers("aten::_to_copy", "aten::to", "aten::_autocast_to_reduced_precision")
def _to_copy(call: Call) -> Tensor:
    x = call.tensor("self")
    return call.builder.emit(ops.Cast(call.dtype), x)


@lowers("aten::copy")
def _copy(call: Call) -> Tensor:
    """The source's values, in the shape and type of the target."""
    b, source = call.builder, call["src"]
    x = source if isinstance(source, Tensor) else constant(b, source, call.dtype)
    shape, dtype = call.outputs[0] if call.outputs else (call.tensor("self").shape, call.tensor("self").dtype)
    return b.emit(ops.Cast(dtype), b.broadcast(x, shape))


@lowers("aten::clone", "aten::contiguous")
def _clone(call: Call) -> Tensor:
    return call.builder.map("identity", cast(call.builder, call.tensor("self"), call.dtype))
