"""Functions of a few elementary ones, as PyTorch documents them; those without a short form count as one of a kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from nncost.frontends.torch.lowerings.elementwise import power
from nncost.frontends.torch.lowerings.operands import algorithm, cast, constant, elementwise, operand
from nncost.frontends.torch.lowerings.registry import Call, Lowered, lowers
from nncost.ir import ops
from nncost.ir.graph import Tensor
from nncost.ir.library.elementwise import COMPOSED, composed
from nncost.ir.library.reductions import vector_norm
from nncost.ir.library.shuffles import diagonal


def _composed(name: str) -> Callable[[Call], Lowered]:
    def lower(call: Call) -> Lowered:
        if name in ("asin", "acos") and call.dtype.startswith("complex"):
            return _one_of_a_kind(call, "atan", estimated=True)
        x = operand(call, call.tensor("self"))
        assert isinstance(x, Tensor)
        return composed(call.builder, name, x)

    return lower


for _name in COMPOSED:
    lowers(f"aten::{_name}")(_composed(_name))


@lowers("aten::atan")
def _atan(call: Call) -> Lowered:
    if call.dtype.startswith("complex"):
        return _one_of_a_kind(call, "atan", estimated=True)
    return elementwise(call, "atan", call["self"])


@lowers("aten::atan2")
def _atan2(call: Call) -> Tensor:
    return elementwise(call, "atan2", call["self"], call["other"])


@lowers("aten::angle")
def _angle(call: Call) -> Lowered:
    """The arc tangent of both parts; of a real number 0, or π if it is negative (1 cmp)."""
    x = call.tensor("self")
    if x.dtype.startswith("complex"):
        return _one_of_a_kind(call, "atan")
    return elementwise(call, "where_positive", call.builder.map("neg", x), math.pi, 0.0)


@lowers("aten::erfc", "aten::special_erfc")
def _erfc(call: Call) -> Tensor:
    return elementwise(call, "sub", 1.0, elementwise(call, "erf", call["self"]))


@lowers("aten::logit", "aten::special_logit")
def _logit(call: Call) -> Tensor:
    """Log(x/(1 − x)); kept away from 0 and 1 where a distance is given (2 cmp)."""
    x, distance = call["self"], call.get("eps")
    if distance is not None:
        x = elementwise(call, "clip", x, distance, 1 - distance)
    return elementwise(call, "log", elementwise(call, "div", x, elementwise(call, "sub", 1.0, x)))


@lowers("aten::logit_backward")
def _logit_backward(call: Call) -> Tensor:
    """g/(x·(1 − x)), nothing where x was kept away."""
    x, distance = call["self"], call.get("eps")
    slope = elementwise(call, "mul", x, elementwise(call, "sub", 1.0, x))
    g = elementwise(call, "div", call["grad_output"], slope)
    return g if distance is None else elementwise(call, "where_between", x, distance, 1 - distance, g)


@lowers("aten::hypot")
def _hypotenuse(call: Call) -> Tensor:
    squares = [elementwise(call, "square", call[name]) for name in ("self", "other")]
    return elementwise(call, "sqrt", elementwise(call, "add", *squares))


@lowers("aten::sinc", "aten::special_sinc")
def _sinc(call: Call) -> Tensor:
    """sin(πx)/(πx), and 1 at zero: 1 mul, 1 sin, 1 div, 2 cmp."""
    b, angle = call.builder, elementwise(call, "mul", call["self"], math.pi)
    at_zero = b.map("equal", angle, 0.0)
    quotient = elementwise(call, "div", elementwise(call, "sin", angle), angle)
    return b.map("select", at_zero, 1.0, quotient)


_KINDS: Mapping[str, str] = {
    "erfinv": "erf", "special_erfinv": "erf", "special_erfcx": "erf", "special_log_ndtr": "erf", "special_ndtri": "erf", "lgamma": "log", "digamma": "log",
    "polygamma": "log", "mvlgamma": "log", "special_zeta": "pow", "igamma": "exp", "igammac": "exp",
    "i0": "exp", "special_i0": "exp", "special_i0e": "exp", "special_i1": "exp", "special_i1e": "exp",
    "special_modified_bessel_i0": "exp", "special_modified_bessel_i1": "exp", "special_modified_bessel_k0": "exp",
    "special_modified_bessel_k1": "exp", "special_scaled_modified_bessel_k0": "exp",
    "special_scaled_modified_bessel_k1": "exp", "special_airy_ai": "sin", "special_bessel_j0": "sin",
    "special_bessel_j1": "sin", "special_bessel_y0": "sin", "special_bessel_y1": "sin", "special_spherical_bessel_j0": "sin",
}  # fmt: skip
"""Which kind of elementary function stands for another."""


@lowers(*(f"aten::{name}" for name in _KINDS))
def _of_another_kind(call: Call) -> Lowered:
    return _one_of_a_kind(call, _KINDS[call.name.removeprefix("aten::")], estimated=True)


def _one_of_a_kind(call: Call, kind: str, *, estimated: bool = False) -> Lowered:
    return algorithm(call, {kind: Tensor(*call.outputs[0]).elements}, estimated=estimated)[0]


_POLYNOMIALS = (
    "chebyshev_polynomial_t", "chebyshev_polynomial_u", "chebyshev_polynomial_v", "chebyshev_polynomial_w",
    "hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p",
    "shifted_chebyshev_polynomial_t", "shifted_chebyshev_polynomial_u", "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w",
)  # fmt: skip


@lowers(*(f"aten::special_{name}" for name in _POLYNOMIALS))
def _polynomial(call: Call) -> Lowered:
    """The recurrence p₍ₖ₊₁₎ = a·x·pₖ − c·p₍ₖ₋₁₎: 2 mul and 1 add for each degree; a degree that is data counts as one."""
    degree = call["n"]
    amount = Tensor(*call.outputs[0]).elements * (int(degree) if isinstance(degree, (int, float)) else 1)
    return algorithm(call, {"mul": 2 * amount, "add": amount}, estimated=True)[0]


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
    difference = elementwise(call, "sub", call["self"], call["other"])
    return vector_norm(call.builder, difference, float(call.get("p", 2)), range(difference.rank))


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
    return algorithm(call, {"int_ops": (10 if call.name == "aten::gcd" else 12) * amount}, estimated=True)[0]


@lowers("aten::polar")
def _polar(call: Call) -> Lowered:
    """r·(cos φ + i·sin φ): 1 sin, 1 cos, 2 mul."""
    amount = Tensor(*call.outputs[0]).elements
    return algorithm(call, {"sin": amount, "cos": amount, "mul": 2 * amount})[0]


@lowers("aten::trace")
def _trace(call: Call) -> Tensor:
    return call.builder.reduce("sum", diagonal(call.builder, call.tensor("self")), [0])
