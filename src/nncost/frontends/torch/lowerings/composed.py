"""Functions of a few elementary ones: as PyTorch documents them."""

from __future__ import annotations

import math

from nncost.frontends.torch.lowerings.elementwise import power
from nncost.frontends.torch.lowerings.operands import algorithm, cast, constant, elementwise
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.layers import Activation
from nncost.ir.library.activations import elu


@lowers("aten::celu")
def _celu(call: Call) -> Tensor:
    """Max(0, x) + min(0, α·(e^(x/α) − 1))."""
    b, x, alpha = call.builder, call.tensor("self"), float(call.get("alpha", 1.0))
    compute, rule = elu(alpha, 1.0, 1 / alpha)
    with b.region(Activation("celu", (alpha,)), x, activations=x.elements) as region:
        region.returns(compute(b, x), gradient=rule)
    return region.outputs[0]


@lowers("aten::deg2rad", "aten::rad2deg")
def _angles(call: Call) -> Tensor:
    factor = math.pi / 180
    return elementwise(call, "mul", call["self"], factor if call.name == "aten::deg2rad" else 1 / factor)


@lowers("aten::copysign")
def _copysign(call: Call) -> Tensor:
    """|x| where the other is not negative, −|x| elsewhere: 2 cmp; absolute value and negation are free."""
    b, size = call.builder, elementwise(call, "abs", call["self"])
    upwards = elementwise(call, "greater_equal", call["other"], 0.0)
    return b.map("select", upwards, size, b.map("neg", size))


@lowers("aten::heaviside")
def _heaviside(call: Call) -> Tensor:
    """0, the value given, or 1: 3 cmp."""
    b, x = call.builder, call["self"]
    step = cast(b, elementwise(call, "greater", x, 0.0), call.dtype)
    return b.map("select", elementwise(call, "equal", x, 0.0), cast(b, call.tensor("values"), call.dtype), step)


@lowers("aten::ldexp")
def _ldexp(call: Call) -> Tensor:
    """x·2^e: 1 pow, 1 mul."""
    return elementwise(call, "mul", call["self"], elementwise(call, "pow", 2.0, call["other"]))


@lowers("aten::nan_to_num")
def _nan_to_num(call: Call) -> Tensor:
    """What is no number, or infinite, is replaced: each takes 2 cmp."""
    b, x = call.builder, call.tensor("self")
    largest = {"float16": 65504.0, "float32": 3.4028234663852886e38}.get(x.dtype, 1.7976931348623157e308)
    high, low = call.get("posinf", largest), call.get("neginf", -largest)
    y = b.map("select", b.map("equal", x, x), x, constant(b, float(call.get("nan", 0.0)), x.dtype))
    for bound, value in ((math.inf, high), (-math.inf, low)):
        there = b.map("equal", y, constant(b, bound, x.dtype))
        y = b.map("select", there, constant(b, float(value), x.dtype), y)
    return y


@lowers("aten::xlogy", "aten::special_xlog1py")
def _xlogy(call: Call) -> Tensor:
    """X·log y (or of 1 + y), zero where x is zero: 2 cmp."""
    b, y = call.builder, call["other"]
    y = elementwise(call, "add", y, 1.0) if "1p" in call.name else y
    product = elementwise(call, "mul", call["self"], elementwise(call, "log", y))
    return b.map("select", elementwise(call, "not_equal", call["self"], 0.0), product, constant(b, 0.0, call.dtype))


@lowers("aten::special_entr")
def _entropy(call: Call) -> Tensor:
    """−x·log x."""
    return elementwise(call, "neg", elementwise(call, "mul", call["self"], elementwise(call, "log", call["self"])))


@lowers("aten::logaddexp", "aten::logaddexp2")
def _logaddexp(call: Call) -> Tensor:
    """M + log(1 + e^−|x−y|) with the larger m; to base two by two factors more."""
    b, pair = call.builder, (call["self"], call["other"])
    largest = elementwise(call, "max", *pair)
    distance = b.map("neg", b.map("abs", elementwise(call, "sub", *pair)))
    if call.name == "aten::logaddexp2":
        distance = b.map("mul", distance, math.log(2))
    rest = b.map("log", b.map("add", b.map("exp", distance), 1.0))
    return b.map("add", largest, b.map("mul", rest, 1 / math.log(2)) if call.name == "aten::logaddexp2" else rest)


@lowers("aten::dist")
def _dist(call: Call) -> Tensor:
    """The norm of a difference."""
    b, order = call.builder, float(call.get("p", 2))
    difference = elementwise(call, "sub", call["self"], call["other"])
    axes = range(difference.rank)
    if order == 2:
        return b.map("sqrt", b.reduce("sum", b.map("square", difference), axes))
    size = b.map("abs", difference)
    if math.isinf(order):
        return b.reduce("max" if order > 0 else "min", size, axes)
    total = b.reduce("sum", size if order == 1 else power(call, size, order), axes)
    return total if order == 1 else power(call, total, 1 / order)


@lowers("aten::linalg_cross")
def _cross(call: Call) -> Tensor:
    """a₂b₃ − a₃b₂ and so on: 2 mul and 1 add for each element."""
    b, shape = call.builder, call.outputs[0][0]
    axis = call.get("dim", -1) % len(shape)
    pair = [b.broadcast(cast(b, call.tensor(name), call.dtype), shape) for name in ("self", "other")]
    left, right = ([*b.emit_many(ops.Split(axis, (1, 1, 1)), x)] for x in pair)
    parts = [
        b.map("sub", b.map("mul", left[i], right[j]), b.map("mul", left[j], right[i]))
        for i, j in ((1, 2), (2, 0), (0, 1))
    ]
    return b.emit(ops.Concat(axis), *parts)


@lowers("aten::renorm")
def _renorm(call: Call) -> Tensor:
    """Slices that are too long are shortened: a norm each, 1 div, 2 cmp, then 1 mul for each element."""
    b, x, order = call.builder, call.tensor("self"), float(call["p"])
    axes = [axis for axis in range(x.rank) if axis != call["dim"] % x.rank]
    limit = float(call["maxnorm"])
    total = b.reduce("sum", power(call, b.map("abs", x) if order % 2 else x, order), axes, keep=True)
    length = total if order == 1 else power(call, total, 1 / order)
    factor = b.map("div", limit, b.map("add", length, 1e-7))
    return b.map("mul", x, b.map("select", b.map("greater", length, limit), factor, 1.0))


@lowers("aten::gcd", "aten::lcm")
def _euclid(call: Call) -> Lowered:
    """Euclid's algorithm: a remainder for each step, some ten of them; for the multiple a product and a quotient."""
    amount = Tensor(*call.outputs[0]).elements
    return algorithm(call, {"int_ops": (10 if call.name == "aten::gcd" else 12) * amount}, note="estimated")[0]


@lowers("aten::signbit", "aten::complex", "aten::frexp", "aten::take")
def _free(call: Call) -> Lowered:
    """Bits and moves: free."""
    outputs = algorithm(call, {})
    return outputs if len(outputs) != 1 else outputs[0]


@lowers("aten::polar")
def _polar(call: Call) -> Lowered:
    """r·(cos φ + i·sin φ): 1 sin, 1 cos, 2 mul."""
    amount = Tensor(*call.outputs[0]).elements
    return algorithm(call, {"sin": amount, "cos": amount, "mul": 2 * amount})[0]


@lowers("aten::trace")
def _trace(call: Call) -> Tensor:
    """The sum of the diagonal, every (n+1)-th element."""
    b, x = call.builder, call.tensor("self")
    rows, columns = x.shape
    flat = b.emit(ops.Stride(0, columns + 1), b.reshape(x, (x.elements,)))
    count = min(rows, columns)
    diagonal, _ = (
        b.emit_many(ops.Split(0, (count, flat.shape[0] - count)), flat) if flat.shape[0] != count else (flat, flat)
    )
    return b.reduce("sum", diagonal, [0])


@lowers("aten::max_unpool2d", "aten::max_unpool3d", "aten::block_diag")
def _put_back(call: Call) -> Lowered:
    """Values among zeros: put, not added."""
    return algorithm(call, {})[0]


@lowers("prims::cbrt")
def _cube_root(call: Call) -> Lowered:
    return algorithm(call, {"pow": Tensor(*call.outputs[0]).elements})[0]
