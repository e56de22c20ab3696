"""Arithmetic on elements."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from nncost.frontends.torch.lowerings.operands import cast, elementwise
from nncost.frontends.torch.lowerings.registry import Call, lowers
from nncost.ir import ops
from nncost.ir.graph import Tensor

_UNARY = {
    "exp": "exp", "log": "log", "sqrt": "sqrt", "sin": "sin", "cos": "cos", "erf": "erf", "neg": "neg",
    "floor": "floor", "ceil": "ceil", "sign": "sign", "sgn": "sign", "trunc": "trunc",
    "positive": "identity", "conj_physical": "identity", "_conj_physical": "identity", "resolve_conj": "identity",
    "resolve_neg": "identity",
}  # fmt: skip
_BINARY = {"maximum": "max", "minimum": "min", "fmax": "max", "fmin": "min"}


def _unary(function: str) -> Callable[[Call], Tensor]:
    return lambda call: elementwise(call, function, call["self"])


for _name, _function in _UNARY.items():
    lowers(f"aten::{_name}")(_unary(_function))


@lowers("aten::abs")
def _abs(call: Call) -> Tensor:
    """The size; of a complex number it is real."""
    return cast(call.builder, call.builder.map("abs", call.tensor("self")), call.dtype)


def _binary(function: str) -> Callable[[Call], Tensor]:
    return lambda call: elementwise(call, function, call["self"], call["other"])


for _name, _function in _BINARY.items():
    lowers(f"aten::{_name}")(_binary(_function))


@lowers("aten::mul")
def _mul(call: Call) -> Tensor:
    """An elementwise product; in the gradient of a contraction, an outer product with a sum of one term."""
    b, left, right = call.builder, call["self"], call["other"]
    if call.get("contraction") is None or not (isinstance(left, Tensor) and isinstance(right, Tensor)):
        return elementwise(call, "mul", left, right)
    shape = call.outputs[0][0]
    letters = "abcdefghijklmnopqrstuvw"[: len(shape)]
    sides = []
    for tensor in (left, right):
        kept = [i for i in range(tensor.rank) if tensor.shape[i] != 1 or shape[i + len(shape) - tensor.rank] == 1]
        names = "".join(letters[i + len(shape) - tensor.rank] for i in kept)
        flat = b.reshape(tensor, (*(tensor.shape[i] for i in kept), 1))
        sides.append((names + "z", flat))
    return b.contract(f"{sides[0][0]},{sides[1][0]}->{letters}", sides[0][1], sides[1][1])


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
    scaled = elementwise(call, "round", elementwise(call, "mul", call["self"], 10.0**decimals))
    return elementwise(call, "div", scaled, 10.0**decimals)


def _scaled(call: Call, value: Any, alpha: Any) -> Any:
    """``alpha·value``; a factor of one and a product of numbers are free."""
    if alpha in (None, 1):
        return value
    if not isinstance(value, Tensor):
        return value * alpha
    return elementwise(call, "mul", value, alpha)


@lowers("aten::add")
def _add(call: Call) -> Tensor:
    return elementwise(call, "add", call["self"], _scaled(call, call["other"], call.get("alpha", 1)))


@lowers("aten::sub")
def _sub(call: Call) -> Tensor:
    return elementwise(call, "sub", call["self"], _scaled(call, call["other"], call.get("alpha", 1)))


@lowers("aten::rsub")
def _rsub(call: Call) -> Tensor:
    return elementwise(call, "sub", call["other"], _scaled(call, call["self"], call.get("alpha", 1)))


@lowers("aten::reciprocal")
def _reciprocal(call: Call) -> Tensor:
    return elementwise(call, "div", 1.0, call["self"])


@lowers("aten::rsqrt")
def _rsqrt(call: Call) -> Tensor:
    return elementwise(call, "div", 1.0, elementwise(call, "sqrt", call["self"]))


@lowers("aten::square")
def _square(call: Call) -> Tensor:
    return elementwise(call, "square", call["self"])


@lowers("aten::pow")
def _pow(call: Call) -> Tensor:
    """x^e: powers that are products, a root or a quotient are counted as those."""
    base, exponent = call["self"], call["exponent"]
    if isinstance(exponent, Tensor) or not isinstance(base, Tensor):
        return elementwise(call, "pow", base, exponent)
    return power(call, base, float(exponent))


def power(call: Call, x: Tensor, exponent: float) -> Tensor:
    """x^e for a number e; a whole one up to four by multiplication, negative ones by its reciprocal."""
    if exponent < 0:
        return elementwise(call, "div", 1.0, power(call, x, -exponent))
    if exponent == 0:
        return call.builder.emit(ops.Constant("fill", x.shape, call.dtype, 1.0))
    if exponent == 1:
        return elementwise(call, "identity", x)
    if exponent == 0.5:
        return elementwise(call, "sqrt", x)
    if exponent == 2:
        return elementwise(call, "square", x)
    if exponent == 3:
        return elementwise(call, "mul", elementwise(call, "square", x), x)
    if exponent == 4:
        return elementwise(call, "square", elementwise(call, "square", x))
    return elementwise(call, "pow", x, exponent)


@lowers("aten::expm1")
def _expm1(call: Call) -> Tensor:
    return elementwise(call, "sub", elementwise(call, "exp", call["self"]), 1.0)


@lowers("aten::exp2")
def _exp2(call: Call) -> Tensor:
    return elementwise(call, "pow", 2.0, call["self"])


@lowers("aten::log1p")
def _log1p(call: Call) -> Tensor:
    return elementwise(call, "log", elementwise(call, "add", call["self"], 1.0))


@lowers("aten::log2", "aten::log10")
def _log_of_base(call: Call) -> Tensor:
    """The natural logarithm, times a constant."""
    base = 2 if call.name == "aten::log2" else 10
    return elementwise(call, "mul", elementwise(call, "log", call["self"]), 1 / math.log(base))


@lowers("aten::tan")
def _tan(call: Call) -> Tensor:
    return elementwise(call, "div", elementwise(call, "sin", call["self"]), elementwise(call, "cos", call["self"]))


@lowers("aten::lerp")
def _lerp(call: Call) -> Tensor:
    """Start + weight·(end − start)."""
    distance = elementwise(call, "sub", call["end"], call["self"])
    return elementwise(call, "add", call["self"], elementwise(call, "mul", call["weight"], distance))


def _ternary(function: str) -> Callable[[Call], Tensor]:
    """Self + value·(tensor1 op tensor2)."""

    def lower(call: Call) -> Tensor:
        inner = elementwise(call, function, call["tensor1"], call["tensor2"])
        return elementwise(call, "add", call["self"], _scaled(call, inner, call.get("value", 1)))

    return lower


lowers("aten::addcmul")(_ternary("mul"))
lowers("aten::addcdiv")(_ternary("div"))


@lowers("aten::remainder", "aten::fmod")
def _remainder(call: Call) -> Tensor:
    """X − y·⌊x/y⌋, or with the quotient rounded towards zero."""
    rounding = "trunc" if call.name == "aten::fmod" else "floor"
    quotient = elementwise(call, rounding, elementwise(call, "div", call["self"], call["other"]))
    return elementwise(call, "sub", call["self"], elementwise(call, "mul", call["other"], quotient))


@lowers("aten::frac")
def _frac(call: Call) -> Tensor:
    return elementwise(call, "sub", call["self"], elementwise(call, "trunc", call["self"]))
